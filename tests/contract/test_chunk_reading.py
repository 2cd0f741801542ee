"""Chunks against the real broker: holes, aborted transactions, big records, and a flow that stops in between."""

import asyncio
import threading
import time
from collections import defaultdict
from contextlib import closing
from pathlib import Path
from random import Random
from typing import Any

import pytest
from confluent_kafka import Producer

from schemas import Domain, Unavailable
from streams import reading
from streams.changes import Record
from streams.group import Place
from streams.partition import Partition
from streams.reading import Chunk, ChunkReader
from streams.transport import ChunkConsumer
from tests.contract.folding_app import folding_app, is_folded, running
from tests.integration.order_source import Publisher, Source, assert_tables_equal_ledger
from tests.integration.order_source import read as read_all
from tests.integration.test_worker_recovery import configure
from tests.integration.worker_process import Worker, wait_until_folded
from tests.pipeline import until


def _read(reader: ChunkReader, wanted: int) -> dict[Place, list[Chunk]]:
    """Chunks of so many records, by partition."""
    found: dict[Place, list[Chunk]] = defaultdict(list)

    def done() -> bool:
        for place, chunk in reader.read():
            found[place].append(chunk)
        return sum(len(chunk.records) for chunks in found.values() for chunk in chunks) >= wanted

    until(done, 60, what=f"{wanted} records")
    return found


def test_chunks_join_and_have_each_committed_record_once(
    kafka: str, domain: Domain, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "CHUNK_RECORDS", 100)
    publisher = Publisher(kafka, domain)
    publisher.publish_all(Source(), 3_000, batch=250, abort_every=2)
    places = {(domain.events_topic, number): 0 for number in range(domain.partitions)}
    with closing(ChunkReader(kafka)) as reader:
        reader.start(places)
        chunks = _read(reader, 3_000)
        committed = {
            (int(m.partition() or 0), int(m.offset() or 0)): m.value() for m in read_all(kafka, domain.events_topic)
        }
        found = {
            (place[1], r.offset): r.value for place, each in chunks.items() for chunk in each for r in chunk.records
        }
        assert found == committed
        for each in chunks.values():
            assert [chunk.start for chunk in each] == [0, *(chunk.end for chunk in each[:-1])]
            assert max(len(chunk.records) for chunk in each) <= 100

        # From the middle, where nothing that was fetched before may come first.
        middle = {place: each[len(each) // 2].records[-1].offset for place, each in chunks.items()}
        reader.start(middle)
        again = _read(reader, sum(offset >= middle[domain.events_topic, number] for number, offset in committed))
        assert {place: each[0].records[0].offset for place, each in again.items()} == middle


def test_a_compacted_source_has_holes_that_chunks_pass_over_and_folds_do_too(
    kafka: str, domain: Domain, tmp_path: Path
) -> None:
    configure(
        kafka,
        domain.events_topic,
        cleanup_policy="compact",
        segment_ms="100",
        min_cleanable_dirty_ratio="0.001",
        max_compaction_lag_ms="100",
    )
    source, publisher = Source(), Publisher(kafka, domain)
    for _ in range(60):  # orders with one event each, of customers with one order each: none is compacted away
        order, _, version, life = source.order()
        source.ledger.add(life[0], f"only {order}")
        publisher.publish([(f"only {order}", source.wrap(life[0], order, f"only {order}", version))])
        publisher.watermark(source.position)
    until(lambda: len(read_all(kafka, domain.events_topic)) < 200, 60, what="the watermarks before are compacted away")
    records = read_all(kafka, domain.events_topic)
    with closing(ChunkReader(kafka)) as reader:
        reader.start({(domain.events_topic, number): 0 for number in range(domain.partitions)})
        chunks = _read(reader, len(records))
    for each in chunks.values():
        assert [chunk.start for chunk in each] == [0, *(chunk.end for chunk in each[:-1])]
    assert sum(len(chunk.records) for each in chunks.values() for chunk in each) == len(records)
    with Worker(kafka, domain, tmp_path) as worker:
        worker.start()
        wait_until_folded(kafka, domain, source)
    assert_tables_equal_ledger(kafka, domain, source.ledger)


def test_big_records_are_read_few_at_a_time(kafka: str, domain: Domain) -> None:
    producer = Producer({"bootstrap.servers": kafka, "message.max.bytes": 1_000_000})
    for _ in range(60):
        producer.produce(domain.events_topic, b"x" * 900_000, b"key", 0)
        producer.flush(30)
    producer.close()
    with closing(ChunkReader(kafka)) as reader:
        reader.start({(domain.events_topic, 0): 0})
        chunks = _read(reader, 60)[domain.events_topic, 0]
    assert all(sum(len(r.value or b"") for r in chunk.records) <= reading.CHUNK_BYTES for chunk in chunks)
    assert [r.offset for chunk in chunks for r in chunk.records] == list(range(60))


def test_an_offset_that_is_gone_is_an_error_and_not_a_gap(kafka: str, domain: Domain) -> None:
    with closing(ChunkReader(kafka)) as reader:
        reader.start({(domain.events_topic, 0): 1_000})
        with pytest.raises(Unavailable, match="reading the events failed"):
            until(lambda: reader.read(), 30)


def test_a_flow_that_stops_a_chunk_that_vanishes_and_reading_again_lose_and_double_nothing(
    kafka: str, domain: Domain, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "CHUNK_RECORDS", 50)
    source, publisher, random = Source(), Publisher(kafka, domain), Random(5)
    publisher.publish_all(source, 10_000, abort_every=3)
    publisher.watermark(source.position)

    async def run() -> int:
        app = folding_app(kafka, domain, tmp_path)
        process = app.assignment.process

        async def lossy(topic: str, number: int, chunk: Chunk) -> None:
            if random.random() < 0.9:
                await process(topic, number, chunk)

        app.assignment.process = lossy  # type: ignore[method-assign]  # a chunk vanishes now and then
        stops, seen, patience = 0, dict[Place, int](), 0.0
        async with running(app), asyncio.timeout(180):
            consumer = app.consumer
            assert isinstance(consumer, ChunkConsumer)
            while not is_folded(app, 10_000):
                await asyncio.sleep(random.random() / 20)
                # Disturbed again before it has come on, it never would; but none misses a last chunk that has vanished.
                if app.gauges.positions == seen and time.monotonic() < patience:
                    continue
                seen, patience = dict(app.gauges.positions), time.monotonic() + 2
                if random.random() < 0.5:
                    consumer.stop_flow()
                    await asyncio.sleep(random.random() / 50)
                    consumer.resume_flow()
                    stops += 1
                else:
                    monkeypatch.setattr(reading, "CHUNK_RECORDS", random.randrange(10, 100))
                    consumer.read_again()
            assert app.gauges.repeated == 0
        return stops

    assert asyncio.run(run()) > 2
    assert_tables_equal_ledger(kafka, domain, source.ledger)


def test_transactions_that_come_faster_than_a_chunk_commits_are_folded_together(
    kafka: str, domain: Domain, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, publisher = Source(), Publisher(kafka, domain)
    go_on, chunks = threading.Event(), list[Chunk]()
    write = Partition.write

    def held(self: Partition, *arguments: Any) -> None:
        assert go_on.wait(60)
        write(self, *arguments)

    monkeypatch.setattr(Partition, "write", held)

    async def run() -> None:
        app = folding_app(kafka, domain, tmp_path)
        process = app.assignment.process

        async def counted(topic: str, number: int, chunk: Chunk) -> None:
            chunks.append(chunk)
            await process(topic, number, chunk)

        app.assignment.process = counted  # type: ignore[method-assign]  # to count
        async with running(app), asyncio.timeout(60):
            for _ in range(100):
                await asyncio.to_thread(publisher.publish_all, source, 10)
            await asyncio.to_thread(publisher.watermark, source.position)
            go_on.set()
            while not is_folded(app, 1_000):
                await asyncio.sleep(0.05)

    asyncio.run(run())
    # One a partition while its first one commits, one of what came meanwhile, and the last that were still on the way.
    assert len(chunks) <= 5 * domain.partitions
    assert_tables_equal_ledger(kafka, domain, source.ledger)


def test_what_of_a_chunk_has_been_folded_is_left_out() -> None:
    chunk = Chunk([Record(b"key", b"", offset) for offset in (3, 5, 8)], 2, 10)
    assert chunk.after(5) == Chunk([Record(b"key", b"", 5), Record(b"key", b"", 8)], 5, 10)
    assert chunk.after(9) == Chunk([], 9, 10)
