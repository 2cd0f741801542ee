"""Workers that keep their tables in RocksDB: what a chunk is folded over is right whatever happened before.

The ledger would show a row that was folded over an old value, or over one that was never committed.
"""

import re
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from confluent_kafka import OFFSET_END, Producer

from schemas import WATERMARK_KEY, Domain
from tests.integration.order_source import Publisher, Source, assert_tables_equal_ledger
from tests.integration.test_worker_recovery import configure, delete_records
from tests.integration.worker_process import Worker, wait_until_folded


@pytest.fixture
def worker(kafka: str, domain: Domain, tmp_path: Path) -> Iterator[Worker]:
    with Worker(kafka, domain, tmp_path, store="rocksdb") as worker:
        yield worker


def _fold(worker: Worker, source: Source, publisher: Publisher, count: int) -> None:
    publisher.publish_all(source, count)
    publisher.watermark(source.position)
    worker.start()
    wait_until_folded(worker.kafka, worker.domain, source)


def _loads(worker: Worker) -> list[int]:
    return [int(count.replace(",", "")) for count in re.findall(r"loaded in [\d.]+ s: ([\d,]+) records", worker.log)]


@pytest.mark.parametrize("point", ["store.loading", "fold.committed:3", "store.settled:3"])
def test_after_a_kill_at_a_crash_point_the_tables_equal_the_ledger(
    point: str, worker: Worker, source: Source, publisher: Publisher
) -> None:
    _fold(worker, source, publisher, 3_000)
    assert worker.stop() == 0
    _fold(worker, source, publisher, 500)
    worker.kill()  # so the files are behind the changelogs
    publisher.publish_all(source, 10_000)
    assert worker.start(crash_point=point).ended() == -9
    assert f"crash point {point.split(':')[0]} reached" in worker.log
    _fold(worker, source, publisher, 3_000)
    assert_tables_equal_ledger(worker.kafka, worker.domain, source.ledger)


def test_a_worker_that_is_started_again_reads_only_what_its_files_miss(
    worker: Worker, source: Source, publisher: Publisher
) -> None:
    _fold(worker, source, publisher, 8_000)
    assert worker.stop() == 0
    _fold(worker, source, publisher, 500)
    worker.kill()
    _fold(worker, source, publisher, 500)
    assert_tables_equal_ledger(worker.kafka, worker.domain, source.ledger)
    _, after_a_stop, after_a_kill = _loads(worker)
    # An end for each partition of the tables, of the versions of streams and of the held keys is told as a record.
    topics = len(worker.domain.aggregates) + 2
    assert after_a_stop <= topics * worker.domain.partitions
    assert after_a_kill < 2_000
    assert "replaced from the changelog" not in worker.log


def test_emptied_changelogs_empty_the_store(worker: Worker, source: Source, publisher: Publisher) -> None:
    _fold(worker, source, publisher, 3_000)
    worker.stop()
    for aggregate in worker.domain.aggregates:
        topic = worker.domain.aggregate_topic(aggregate)
        configure(worker.kafka, topic, cleanup_policy="compact,delete")
        for partition in range(worker.domain.partitions):
            delete_records(worker.kafka, topic, partition, OFFSET_END)
    _fold(worker, source, publisher, 500)
    assert "was trimmed" in worker.log
    assert "folding from the start" in worker.log
    assert_tables_equal_ledger(worker.kafka, worker.domain, source.ledger)


def test_damaged_files_are_replaced(worker: Worker, source: Source, publisher: Publisher) -> None:
    _fold(worker, source, publisher, 3_000)
    worker.stop()
    for file in (worker.home / "data").rglob("*.sst"):
        file.write_bytes(b"no table at all")
    _fold(worker, source, publisher, 1_000)
    assert worker.stop() == 0
    assert "replaced from the changelog" in worker.log
    assert_tables_equal_ledger(worker.kafka, worker.domain, source.ledger)


def test_a_partition_that_is_lost_and_got_back_is_right(worker: Worker, source: Source, publisher: Publisher) -> None:
    source.customers = 2_000
    with Worker(worker.kafka, worker.domain, worker.home, "second", store="rocksdb") as second:
        load = threading.Thread(target=publisher.publish_all, args=(source, 60_000), kwargs={"rate": 6_000})
        load.start()
        worker.start().logged("partitions 0, 1, 2, 3 loaded")
        for turn in range(1, 3):
            second.start().logged("loaded in", times=turn)
            worker.logged("loaded in", times=2 * turn)
            assert second.stop() == 0
            worker.logged("partitions 0, 1, 2, 3 loaded", times=turn + 1)
        load.join()
        publisher.watermark(source.position)
        wait_until_folded(worker.kafka, worker.domain, source)
    assert_tables_equal_ledger(worker.kafka, worker.domain, source.ledger)


def test_a_mark_that_cannot_be_read_ends_the_worker_with_a_sentence(
    worker: Worker, source: Source, publisher: Publisher
) -> None:
    _fold(worker, source, publisher, 100)
    worker.kill()
    stranger = Producer({"bootstrap.servers": worker.kafka})
    topic = worker.domain.aggregate_topic(worker.domain.aggregates[0])
    stranger.produce(topic, b"\x00\x01", WATERMARK_KEY, 2)
    stranger.flush(30)
    assert worker.start().ended() == 1
    assert re.search(rf"the watermark at offset \d+ of partition 2 of {re.escape(topic)} cannot be read", worker.log)
    assert "Traceback" not in worker.log
