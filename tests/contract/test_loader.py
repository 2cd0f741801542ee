"""What the loader rests on: what ClickHouse does with tokens, deadlines and values, and Kafka with the bounds."""

import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition

from schemas import Domain, Fatal
from sinks import inserting, pace
from sinks.bounds import Bounds
from sinks.clickhouse import ClickHouse, Late
from sinks.forming import Record
from sinks.inserting import PATIENCE, Inserting
from sinks.tables import WINDOW, prepare
from sinks.targets import EventsTarget
from tests.integration.order_source import Source
from tests.pipeline import until


class Tables:
    """The tables of a domain, and a loader's way into them without Kafka."""

    def __init__(self, url: str, domain: Domain) -> None:
        prepare(url, [domain])
        self.domain, self.connection, self.source = domain, ClickHouse(url), Source()
        self.target = EventsTarget(domain)
        self.inserting = Inserting(self.connection, self.target)

    def records(self, count: int, first: int = 0) -> list[Record]:
        return [Record(first + n, key.encode(), value) for n, (key, value) in enumerate(self.source.events(count))]

    def bounds(self, records: list[Record]) -> Bounds:
        return Bounds(topic="id", epoch="e", start=records[0].offset, to=records[-1].offset + 1, rows=len(records))

    def insert(self, records: list[Record], deadline: datetime | None = None) -> None:
        inserts = self.target.inserts(0, records, self.inserting.types)
        self.inserting.insert(0, self.bounds(records), inserts, deadline or self.inserting.deadline())

    def recover(self, records: list[Record]) -> None:
        inserts = self.target.inserts(0, records, self.inserting.types)
        self.inserting.recover(0, self.bounds(records), inserts, self.inserting.deadline())

    def verify(self, records: list[Record]) -> None:
        self.inserting.verify(0, self.bounds(records), self.target.inserts(0, records, self.inserting.types))

    def sums(self) -> tuple[int, Decimal]:
        """Events, and the rollup's revenue less what was paid back."""
        [(events,)] = self.connection.execute(f"SELECT count() FROM {self.domain.database}.events")
        rollup = f"{self.domain.database}.revenue_by_month"
        [(revenue,)] = self.connection.execute(f"SELECT sum(revenue) - sum(refunded) FROM {rollup}")
        return events, revenue

    def expected(self) -> tuple[int, Decimal]:
        return self.source.position, sum(self.source.ledger.spent.values(), Decimal(0))


@pytest.fixture
def tables(clickhouse: str, domain: Domain) -> Iterator[Tables]:
    made = Tables(clickhouse, domain)
    yield made
    made.connection.close()


def test_the_same_batch_again_changes_neither_the_table_nor_the_rollup(tables: Tables) -> None:
    first, second = tables.records(500), tables.records(500, first=500)
    for batch in (first, first, second, first, second):
        tables.insert(batch)
    assert tables.sums() == tables.expected()
    tables.verify(first)
    tables.verify(second)


def test_the_same_batch_again_from_another_connection_changes_nothing(tables: Tables, clickhouse: str) -> None:
    batch = tables.records(100)
    tables.insert(batch)
    other = Tables(clickhouse, tables.domain)
    other.insert(batch)
    other.connection.close()
    assert tables.sums() == tables.expected()


def test_batches_with_the_same_rows_but_other_bounds_are_both_loaded(tables: Tables) -> None:
    batch = tables.records(10)
    tables.insert(batch)
    tables.insert([Record(record.offset + 10, record.key, record.value) for record in batch])
    assert tables.sums()[0] == 20


def test_a_large_batch_is_one_part_so_that_its_token_covers_it_whole(tables: Tables) -> None:
    batch = tables.records(20_000)
    tables.insert(batch)
    tables.insert(batch)
    assert tables.sums() == tables.expected()
    [(parts,)] = tables.connection.execute(
        f"SELECT count() FROM system.parts WHERE database = '{tables.domain.database}' AND table = 'events' AND active"
    )
    assert parts == 1


def test_an_insert_after_its_deadline_is_refused_by_the_server_and_leaves_nothing(tables: Tables) -> None:
    batch = tables.records(100)
    with pytest.raises(Late):
        tables.insert(batch, tables.inserting.deadline() - PATIENCE - timedelta(seconds=1))
    assert tables.sums() == (0, Decimal(0))
    tables.insert(batch)
    assert tables.sums() == tables.expected()


def test_the_deadline_goes_by_the_servers_clock(tables: Tables) -> None:
    ahead = tables.inserting.deadline() - tables.connection.now()
    assert PATIENCE - timedelta(seconds=2) < ahead <= PATIENCE


def test_a_server_that_forgot_the_rows_but_kept_the_token_is_noticed(tables: Tables) -> None:
    batch = tables.records(100)
    tables.insert(batch)
    tables.connection.execute(
        f"ALTER TABLE {tables.domain.database}.events DELETE WHERE kafka_offset >= 60 SETTINGS mutations_sync = 2"
    )
    tables.insert(batch)
    with pytest.raises(Fatal, match=r"60 rows of offsets 0 to 100 .* where 100 were announced"):
        tables.verify(batch)


def test_a_server_that_forgot_the_token_but_kept_the_rows_is_noticed(tables: Tables) -> None:
    batch = tables.records(100)
    tables.insert(batch)
    events = f"{tables.domain.database}.events"
    tables.connection.execute(f"INSERT INTO {events} SELECT * FROM {events}")
    with pytest.raises(Fatal, match="200 rows of offsets 0 to 100"):
        tables.verify(batch)


def test_rows_whose_token_may_be_forgotten_are_not_inserted_again(
    tables: Tables, monkeypatch: pytest.MonkeyPatch
) -> None:
    batch = tables.records(100)
    tables.insert(batch)
    for number in range(3):
        tables.insert(tables.records(10, first=100 + 10 * number))
    tables.recover(batch)
    assert tables.sums() == tables.expected()
    monkeypatch.setattr(inserting, "WINDOW", 3)
    with pytest.raises(Fatal, match=r"got 3 parts since then.*`headrace reload orders`"):
        tables.recover(batch)
    assert tables.sums() == tables.expected()


def test_a_pending_batch_that_never_came_to_be_is_inserted_however_old_it_is(
    tables: Tables, monkeypatch: pytest.MonkeyPatch
) -> None:
    batch = tables.records(100)
    for number in range(3):
        tables.insert(tables.records(10, first=100 + 10 * number))
    monkeypatch.setattr(inserting, "WINDOW", 1)
    tables.recover(batch)
    assert tables.sums() == tables.expected()


def test_inserts_become_slower_where_parts_are_many(tables: Tables, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pace, "_LOOK_SECONDS", 0)
    monkeypatch.setattr(pace, "_FEW", 4)
    looking = pace.Pace(tables.connection, tables.target)
    tables.connection.execute(f"SYSTEM STOP MERGES {tables.domain.database}.events")
    seen = []
    for number in range(12):
        tables.insert(tables.records(1, first=number))
        looking.look()
        seen.append(looking.seconds)
    assert seen[:4] == [0.01] * 4
    assert seen[4:] == sorted(seen[4:])
    assert looking.seconds == pytest.approx(0.01 * 3**2)


@pytest.mark.parametrize(
    "instant",
    [
        datetime(1900, 1, 1, 0, 0, 0, 1, tzinfo=UTC),
        datetime(1969, 12, 31, 23, 59, 58, 500_000, tzinfo=UTC),
        datetime(2026, 7, 1, 12, 0, 0, 123_456, tzinfo=UTC),
        datetime(2299, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC),
    ],
)
def test_instants_arrive_exact_and_count_in_their_month(tables: Tables, instant: datetime) -> None:
    [(key, value)] = tables.source.events(1)
    changed = value.replace(b'"at":"2026-01-01T00:01:00Z"', f'"at":"{instant.isoformat()}"'.encode())
    assert changed != value
    tables.insert([Record(0, key.encode(), changed)])
    [(shown,)] = tables.connection.execute(f"SELECT toString(event_time) FROM {tables.domain.database}.events")
    assert shown == instant.strftime("%Y-%m-%d %H:%M:%S.%f")
    [(month,)] = tables.connection.execute(f"SELECT toString(month) FROM {tables.domain.database}.revenue_by_month")
    assert month == instant.strftime("%Y-%m-01")


@pytest.mark.parametrize("amount", ['"9999999999999.99"', "9999999999999.99", '"1E+3"', '"0.1"', "24.10"])
def test_money_adds_up_exactly_in_the_rollup_however_the_number_is_spelled(tables: Tables, amount: str) -> None:
    [(key, value)] = tables.source.events(1)
    before, _, rest = value.rpartition(b'"amount":"')
    changed = before + b'"amount":' + amount.encode() + rest[rest.index(b'"') + 1 :]
    tables.insert([Record(n, key.encode(), changed) for n in range(3)])
    [(revenue,)] = tables.connection.execute(f"SELECT sum(revenue) FROM {tables.domain.database}.revenue_by_month")
    assert revenue == 3 * Decimal(amount.strip('"'))


def test_bytes_that_are_no_text_stay_what_they_are_in_quarantine(tables: Tables) -> None:
    key, value = b"\xff\x00key", bytes(range(256))
    tables.insert([Record(0, key, value)])
    [found] = tables.connection.execute(f"SELECT hex(key), hex(value) FROM {tables.domain.database}.quarantine")
    assert found == (key.hex().upper(), value.hex().upper())


def test_tables_can_be_prepared_twice(tables: Tables, clickhouse: str) -> None:
    tables.insert(tables.records(10))
    prepare(clickhouse, [tables.domain])
    assert tables.sums() == tables.expected()


def test_every_insert_is_synced_to_disk_where_that_is_asked_for(tables: Tables, clickhouse: str) -> None:
    def synced() -> set[str]:
        database = tables.domain.database
        query = f"SELECT name FROM system.tables WHERE database = '{database}' AND engine_full LIKE '%{setting}%'"
        return {name for (name,) in tables.connection.execute(query)}

    setting = "fsync_after_insert = 1, fsync_part_directory = 1"
    assert not synced()
    for _ in range(2):
        prepare(clickhouse, [tables.domain], fsync=True)
        assert {"events", "quarantine", "revenue_by_month", "progress"} <= synced()
    tables.insert(tables.records(10))
    prepare(clickhouse, [tables.domain])
    assert tables.sums() == tables.expected()


@pytest.mark.parametrize("window", [0, WINDOW - 1])
def test_a_table_with_another_window_is_refused(tables: Tables, clickhouse: str, window: int) -> None:
    tables.connection.execute(
        f"CREATE TABLE {tables.domain.database}.rollup (x UInt8) ENGINE = MergeTree ORDER BY x "
        f"SETTINGS non_replicated_deduplication_window = {window}"
    )
    with pytest.raises(Fatal, match=r"rollup must have non_replicated_deduplication_window"):
        prepare(clickhouse, [tables.domain])


def test_a_rollup_over_an_aggregate_is_refused(tables: Tables, clickhouse: str) -> None:
    database = tables.domain.projection_database
    tables.connection.execute(
        f"CREATE MATERIALIZED VIEW {database}.adds TO {tables.domain.database}.revenue_by_month AS "
        f"SELECT toDate32(placed_at) AS month, currency, items FROM {database}.orders"
    )
    with pytest.raises(Fatal, match=r"a materialized view reads from .*orders"):
        prepare(clickhouse, [tables.domain])


def test_kafka_keeps_the_bounds_with_the_offset_they_start_at(kafka: str, domain: Domain) -> None:
    consumer = Consumer(
        {"bootstrap.servers": kafka, "group.id": f"bounds-{uuid.uuid4().hex}", "enable.auto.commit": False}
    )
    try:
        bounds = Bounds(topic="A" * 36, epoch="e" * 40, start=2**62, to=2**62 + 1, rows=10**9, digest="d" * 16)
        place = TopicPartition(domain.events_topic, 0, bounds.start, metadata=bounds.encode())

        def committed() -> bool:
            try:
                return bool(consumer.commit(offsets=[place], asynchronous=False))
            except KafkaException as error:
                if error.args[0].code() != KafkaError.UNKNOWN_TOPIC_OR_PART:  # the topic is that new
                    raise
                return False

        until(committed, 20, what="the bounds are committed")
        [found] = consumer.committed([TopicPartition(domain.events_topic, 0)], timeout=10)
        assert (found.offset, found.metadata) == (bounds.start, bounds.encode())
        too_large = TopicPartition(domain.events_topic, 0, 1, metadata="x" * 5_000)
        with pytest.raises(KafkaException, match="OFFSET_METADATA_TOO_LARGE"):
            consumer.commit(offsets=[too_large], asynchronous=False)
    finally:
        consumer.close()
