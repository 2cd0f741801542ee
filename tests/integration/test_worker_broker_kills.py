"""The broker killed while a chunk's transaction is open, and restarted: the tables are exact afterwards."""

import os
import signal
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from infra import stack, topics
from infra.stack import Addresses
from schemas import Domain, discover
from tests.integration.open_offset import leave_offset_open
from tests.integration.order_source import Publisher, Source, assert_tables_equal_ledger, marks
from tests.integration.stacks import pids
from tests.integration.worker_process import Worker, wait_until_folded
from tests.pipeline import until


@pytest.fixture
def kafka(home: Path, servers: Addresses) -> Iterator[str]:
    """A broker of the test's own."""
    yield stack.up(home, given=replace(servers, kafka="")).kafka
    stack.down(home)


def test_a_broker_that_dies_in_the_middle_of_a_chunk_loses_and_doubles_nothing(
    home: Path, kafka: str, namespace: str, tmp_path: Path
) -> None:
    domain = discover(namespace)["orders"]
    topics.declare(kafka, [domain])
    source, publisher = Source(), Publisher(kafka, domain)
    publisher.publish_all(source, 20_000, batch=500)
    publisher.watermark(source.position)
    with Worker(kafka, domain, tmp_path) as worker:
        # Rows and offset of a chunk are sent, its transaction is open.
        worker.start(crash_point="freeze=fold.produced:3").logged("frozen at fold.produced")
        before = pids(home)["kafka"]
        os.kill(before, signal.SIGKILL)
        worker.thaw()  # it commits to a broker that is not there
        until(lambda: _is_back(home, before), 90, what="the broker is back")
        publisher = Publisher(kafka, domain)  # settles what the killed broker left open
        publisher.publish_all(source, 1_000)
        publisher.watermark(source.position)
        until(lambda: _complete(kafka, domain, source, worker), 90, what="the tables are complete")
    assert_tables_equal_ledger(kafka, domain, source.ledger)


def test_an_offset_that_the_broker_has_left_in_an_open_transaction_holds_no_worker_up(
    kafka: str, namespace: str, tmp_path: Path
) -> None:
    domain = discover(namespace)["orders"]
    topics.declare(kafka, [domain])
    source, publisher = Source(), Publisher(kafka, domain)
    publisher.publish_all(source, 2_000)
    publisher.watermark(source.position)
    with Worker(kafka, domain, tmp_path) as worker:
        worker.start()
        wait_until_folded(kafka, domain, source)
        worker.stop()
        leave_offset_open(kafka, domain, partition=0)
        publisher.publish_all(source, 2_000)
        publisher.watermark(source.position)
        worker.start()
        wait_until_folded(kafka, domain, source)
        assert "the broker has left a transaction's offset open" in worker.log
    assert_tables_equal_ledger(kafka, domain, source.ledger)


def _is_back(home: Path, before: int) -> bool:
    return all(part.healthy and part.pid != before for part in stack.status(home) if part.name == "kafka")


def _complete(kafka: str, domain: Domain, source: Source, worker: Worker) -> bool:
    if worker.process.poll() is not None:  # it may give up, and is started again as its supervisor does
        worker.start()
    wanted = dict.fromkeys(range(domain.partitions), source.position)
    return all(marks(kafka, domain.aggregate_topic(aggregate)) == wanted for aggregate in domain.aggregates)
