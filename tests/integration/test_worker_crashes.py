"""A worker that is killed at any point, and started again, leaves exact tables."""

import time
from pathlib import Path

import pytest

from schemas import Domain
from tests.integration.order_source import Publisher, Source, assert_tables_equal_ledger
from tests.integration.worker_process import Worker, wait_until_folded


@pytest.mark.parametrize(
    "point",
    ["fold.recovered", "fold.read:2", "fold.folded:4", "fold.produced:1", "fold.produced:4", "fold.committed:3"],
)
def test_after_a_kill_at_a_crash_point_the_tables_equal_the_ledger(
    point: str, kafka: str, domain: Domain, tmp_path: Path
) -> None:
    source, publisher = Source(), Publisher(kafka, domain)
    publisher.publish_all(source, 20_000)
    publisher.watermark(source.position)
    with Worker(kafka, domain, tmp_path) as worker:
        assert worker.start(crash_point=point).ended() == -9
        assert f"crash point {point.split(':')[0]} reached" in worker.log
        publisher.publish_all(source, 5_000)
        publisher.watermark(source.position)
        worker.start()
        wait_until_folded(kafka, domain, source)
    assert_tables_equal_ledger(kafka, domain, source.ledger)


def test_a_killed_worker_that_is_started_again_works_within_seconds(kafka: str, domain: Domain, tmp_path: Path) -> None:
    source, publisher = Source(), Publisher(kafka, domain)
    with Worker(kafka, domain, tmp_path) as worker:
        worker.start().logged("loaded in")
        publisher.publish_all(source, 5_000)
        publisher.watermark(source.position)
        wait_until_folded(kafka, domain, source)
        worker.kill()
        publisher.publish_all(source, 100)
        publisher.watermark(source.position)
        started = time.monotonic()
        worker.start()
        wait_until_folded(kafka, domain, source)
        # Far below the session timeout of 10 s, which a member with another identity would have to wait for.
        assert time.monotonic() - started < 8


def test_killed_again_and_again_under_load_it_loses_and_doubles_nothing(
    kafka: str, domain: Domain, tmp_path: Path
) -> None:
    source, publisher = Source(customers=2_000), Publisher(kafka, domain)
    with Worker(kafka, domain, tmp_path) as worker:
        for kill in range(5):
            publisher.publish_all(source, 15_000)
            worker.start().logged("loaded in", times=kill + 1)
            time.sleep(0.1 + 0.15 * kill)  # not a wait for anything: a different moment each time
            worker.kill()
        publisher.watermark(source.position)
        worker.start()
        wait_until_folded(kafka, domain, source)
    assert_tables_equal_ledger(kafka, domain, source.ledger)
