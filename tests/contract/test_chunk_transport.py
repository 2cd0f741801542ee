"""What the worker relies on in Faust, aiokafka, librdkafka and the broker."""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from aiokafka.consumer.fetcher import READ_COMMITTED
from confluent_kafka import Consumer, KafkaError, KafkaException, Producer, TopicPartition
from hypothesis import given
from hypothesis import strategies as st

from schemas import Domain
from streams.app import FoldingApp
from streams.changes import Record
from streams.group import Membership, Place
from streams.reading import CHUNK_BYTES, CHUNK_RECORDS, cut
from streams.transport import ChunkConsumer
from tests.contract.folding_app import folding_app, is_folded, running
from tests.integration.order_source import Publisher, Source
from tests.pipeline import until


def _record(offset: int, value: bytes | None = b"") -> Record:
    return Record(b"key", value, offset)


@given(st.lists(st.tuples(st.integers(1, 5), st.sampled_from([0, 10, CHUNK_BYTES // 3])), min_size=1, max_size=40))
def test_a_cut_run_has_all_records_once_and_chunks_that_join(steps: list[tuple[int, int]]) -> None:
    offset = 7
    records: list[Record] = []
    for hole, size in steps:
        offset += hole
        records.append(_record(offset, b"x" * size))
    chunks = list(cut(records, 3, offset + 9))
    assert [record for chunk in chunks for record in chunk.records] == records
    assert [chunk.start for chunk in chunks] == [3, *(chunk.end for chunk in chunks[:-1])]
    assert chunks[-1].end == offset + 9
    for chunk in chunks:
        assert chunk.start <= chunk.records[0].offset < chunk.end
        assert chunk.records[-1].offset < chunk.end
        size = sum(len(value or b"") for _, value, _ in chunk.records)
        assert size <= CHUNK_BYTES or len(chunk.records) == 1


def test_a_long_run_is_cut_by_count_and_a_huge_record_is_a_chunk_of_its_own() -> None:
    records = [_record(n) for n in range(2 * CHUNK_RECORDS + 1)]
    assert [len(c.records) for c in cut(records, 0, len(records))] == [CHUNK_RECORDS, CHUNK_RECORDS, 1]
    huge = [_record(0, b"a"), _record(1, b"x" * (CHUNK_BYTES + 1)), _record(2, None)]
    assert [len(c.records) for c in cut(huge, 0, 3)] == [1, 1, 1]


@pytest.fixture
def member(kafka: str, domain: Domain) -> Iterator[Consumer]:
    """A member of the worker's group with a static id, which has joined."""
    consumer = Consumer(
        {
            "bootstrap.servers": kafka,
            "group.id": domain.worker_app,
            "group.instance.id": "one",
            "session.timeout.ms": 6000,
        }
    )
    consumer.subscribe([domain.events_topic])
    until(lambda: (consumer.poll(0.1), consumer.assignment())[1], 30, what="the member joins")
    yield consumer
    consumer.close()


def _membership(member: Consumer, domain: Domain, generation_less: int = 0) -> Membership:
    """The member's own membership, read from the form in which librdkafka gives it."""
    raw = member.consumer_group_metadata()
    generation = int.from_bytes(raw[7:11], "little", signed=True)
    _, identity, _ = raw[11:].split(b"\0", 2)
    return Membership(
        group=domain.worker_app, generation=generation - generation_less, member=identity.decode(), instance="one"
    )


def test_a_membership_is_written_as_librdkafka_writes_it(member: Consumer, domain: Domain) -> None:
    assert _membership(member, domain).metadata() == member.consumer_group_metadata()


def _commit(kafka: str, domain: Domain, membership: Membership) -> int | None:
    """Commit offset 1 in a transaction; the error's code, None when it was accepted."""
    producer = Producer({"bootstrap.servers": kafka, "transactional.id": domain.worker_transactional_id(0)})
    producer.init_transactions(30)
    producer.begin_transaction()
    try:
        producer.send_offsets_to_transaction([TopicPartition(domain.events_topic, 0, 1)], membership.metadata(), 30)
        producer.commit_transaction(30)
    except KafkaException as error:
        producer.abort_transaction(30)
        return int(error.args[0].code())
    return None


def test_the_broker_takes_offsets_from_the_present_member_and_generation_alone(
    kafka: str, domain: Domain, member: Consumer
) -> None:
    present = _membership(member, domain)
    stranger = Membership(group=present.group, generation=present.generation, member="stranger", instance="one")
    assert _commit(kafka, domain, present) is None
    assert _commit(kafka, domain, _membership(member, domain, generation_less=1)) == KafkaError.ILLEGAL_GENERATION
    assert _commit(kafka, domain, stranger) == KafkaError.FENCED_INSTANCE_ID


def test_the_running_consumer_reads_committed_records_as_parsed_and_commits_in_transactions(
    kafka: str, domain: Domain, tmp_path: Path
) -> None:
    """Settings that Faust and aiokafka keep in private attributes: a new version might overlook ours in silence."""
    source = Source()
    publisher = Publisher(kafka, domain)
    publisher.publish_all(source, 500)
    publisher.watermark(source.position)
    seen: list[Any] = []

    async def run() -> dict[Place, int]:
        app = folding_app(kafka, domain, tmp_path)
        process = app.assignment.process

        async def watched(topic: str, number: int, chunk: Any) -> None:
            seen.extend(chunk.records)
            await process(topic, number, chunk)

        app.assignment.process = watched  # type: ignore[method-assign]  # to look at the records
        async with running(app):
            return await consumed(app)

    async def consumed(app: FoldingApp) -> dict[Place, int]:
        consumer = app.consumer
        assert isinstance(consumer, ChunkConsumer)
        fetcher = consumer._thread._ensure_consumer()._fetcher
        assert fetcher._isolation_level == READ_COMMITTED
        assert fetcher._fetch_max_wait_ms == 100
        while not is_folded(app, 500):
            await asyncio.sleep(0.05)
        assert not consumer._acked
        rows = {name: len(table) for name, table in app.tables.items()}
        orders, customers = len(source.ledger.status), len(source.ledger.counts)
        assert rows == {"orders": orders, "customers": customers, "products": 0, "stream_versions": 0}
        return dict(app.gauges.offsets)

    offsets = asyncio.run(asyncio.wait_for(run(), 180))
    assert len(seen) == 500 + domain.partitions
    reader = Consumer({"bootstrap.servers": kafka, "group.id": domain.worker_app})
    committed = reader.committed([TopicPartition(domain.events_topic, p) for p in range(domain.partitions)], 30)
    assert {(place.topic, place.partition): place.offset for place in committed} == offsets
    reader.close()
