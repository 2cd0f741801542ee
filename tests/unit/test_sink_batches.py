"""Batches: what a run of records becomes, where it is cut, and how it is formed again after a crash."""

from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal

import pytest

from schemas import REFOLD_KEY, RESERVED_PREFIX, WATERMARK_KEY, Control, Fatal, Money, Refold, Row, encode
from schemas.orders import DOMAIN, Order
from sinks import partition as partitions
from sinks.bounds import Bounds, decode
from sinks.forming import Insert, Record
from sinks.partition import OutOfOrder, Partition, digest
from sinks.targets import AggregateTarget, EventsTarget, targets_of
from tests.integration.order_source import Source

TYPES = {
    **dict.fromkeys(("position", "version", "kafka_offset", "items"), "UInt64"),
    **dict.fromkeys(("epoch",), "UInt32"),
    **dict.fromkeys(("kafka_partition",), "UInt16"),
    **dict.fromkeys(("is_deleted",), "UInt8"),
    **dict.fromkeys(("event_time", "time", "placed_at"), "DateTime64(6, 'UTC')"),
    **dict.fromkeys(("paid_at", "shipped_at", "delivered_at", "cancelled_at"), "Nullable(DateTime64(6, 'UTC'))"),
    "total": "Decimal(18, 2)",
}
AT = datetime(2026, 1, 1, tzinfo=UTC)
BEGUN = Bounds(topic="id", epoch="e", start=0)


class _Texts(dict[str, str]):
    def __missing__(self, name: str) -> str:
        return "String"


def _types(_: str) -> Mapping[str, str]:
    return _Texts(TYPES)


def _events(count: int, first: int = 0) -> list[Record]:
    made = Source().events(count)
    return [Record(offset, key.encode(), value) for offset, (key, value) in enumerate(made, first)]


def _target(name: str = "events") -> EventsTarget | AggregateTarget:
    [found] = [target for target in targets_of(DOMAIN) if target.table.endswith(f".{name}")]
    assert isinstance(found, EventsTarget | AggregateTarget)
    return found


def _by_table(inserts: list[Insert]) -> dict[str, Insert]:
    return {each.table: each for each in inserts}


def test_an_event_keeps_its_very_bytes_and_its_place_in_kafka() -> None:
    record = _events(1, first=41)[0]
    [insert] = _target().inserts(3, [record], _types).each
    [data] = insert.column("data")
    assert data in (record.value or b"")
    assert data.startswith(b'{"type":"OrderPlaced"')
    assert (insert.column("kafka_partition"), insert.column("kafka_offset")) == ([3], [41])


def test_control_records_of_other_kinds_are_passed_over() -> None:
    refold = Record(3, REFOLD_KEY, encode(Refold(id="r-1", key="customer-1")))
    unknown = Record(4, b"~unknown", b"{}")
    inserts = _by_table(_target().inserts(0, [*_events(3), refold, unknown], _types).each)
    assert inserts["orders.events"].column("kafka_offset") == [0, 1, 2]
    assert inserts["orders.quarantine"].column("kafka_offset") == [4]


def test_events_and_control_records_say_how_far_the_partition_is() -> None:
    events = _events(3)
    control = Record(3, WATERMARK_KEY, encode(Control(position=9, time=AT)))
    marks = [_target().inserts(0, run, _types).mark for run in (events, [*events, control])]
    assert [mark and mark.position for mark in marks] == [3, 9]


@pytest.mark.parametrize(
    "value",
    [
        b"",
        b"\xff\xfe",
        b"[" * 5_000,
        b'{"position": 1}',
        _events(1)[0].value.replace(b'"position":1', b'"position":18446744073709551616'),  # type: ignore[union-attr]  # made with a value
        _events(1)[0].value.replace(b"OrderPlaced", b"OrderLost"),  # type: ignore[union-attr]  # made with a value
        _events(1)[0].value.replace(b'"amount":"', b'"amount":"-'),  # type: ignore[union-attr]  # made with a value
        None,
    ],
    ids=["empty", "no text", "deep", "incomplete", "no UInt64", "unknown event", "negative money", "no value"],
)
def test_what_is_no_event_is_quarantined_with_its_bytes_and_the_rest_is_loaded(value: bytes | None) -> None:
    bad = Record(7, b"\x00key\xff", value)
    inserts = _by_table(_target().inserts(0, [*_events(3), bad], _types).each)
    assert inserts["orders.events"].column("kafka_offset") == [0, 1, 2]
    quarantined = inserts["orders.quarantine"]
    assert quarantined.column("kafka_offset") == [7]
    assert (quarantined.column("key"), quarantined.column("value")) == ([b"\x00key\xff"], [value or b""])
    assert quarantined.column("error")[0]


def test_a_quarantined_record_gives_the_same_inserts_when_the_batch_is_formed_again() -> None:
    records = [*_events(3), Record(3, None, b"{"), *_events(3, first=4)]
    first, again = (_target().inserts(0, records, _types) for _ in range(2))
    assert first == again


def _row(order: str, position: int, **changed: object) -> bytes:
    fields = {"customer_id": "c", "status": "placed", "items": 1, "total": Money(Decimal("1.10"), "USD"), **changed}
    return encode(Row(position=position, data=Order(order_id=order, placed_at=AT, **fields)))  # type: ignore[arg-type]  # by name


def test_rows_are_put_and_removed_and_a_row_that_fits_no_column_is_quarantined() -> None:
    records = [
        Record(0, b"o-1", _row("o-1", 1)),
        Record(1, b"o-1", None),
        Record(2, b"o-2", _row("o-2", 2, items=-1)),
        Record(3, None, _row("o-3", 3)),
    ]
    put, removed, bad = _target("orders").inserts(0, records, _types).each
    assert (put.table, put.column("order_id"), put.column("total")) == ("orders_v1.orders", ["o-1"], [Decimal("1.10")])
    assert (removed.column("order_id"), removed.column("is_deleted")) == (["o-1"], [1])
    assert sorted(bad.column("kafka_offset")) == [2, 3]


def test_a_row_of_an_aggregate_alone_does_not_say_how_far_the_table_is() -> None:
    assert _target("orders").inserts(0, [Record(0, b"o-1", _row("o-1", 5))], _types).mark is None


def _filled(records: list[Record], bounds: Bounds = BEGUN) -> Partition:
    partition = Partition(0, bounds, bounds.start)
    partition.add(records)
    return partition


def test_a_batch_is_cut_below_its_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(partitions, "MAX_ROWS", 10)
    rows = _filled(_events(25)).take("t")
    assert rows is not None
    assert (rows.bounds.start, rows.bounds.to, rows.bounds.rows) == (0, 10, 10)
    monkeypatch.setattr(partitions, "MAX_BYTES", 100)
    one = _filled(_events(25)).take("t")
    assert one is not None
    assert one.bounds.rows == 1, "a record larger than the limit goes alone"


def test_a_pending_batch_is_formed_again_from_the_same_records_only() -> None:
    records = _events(10)
    announced = _filled(records).take("t")
    assert announced is not None
    partition = _filled(records[:9], announced.bounds)
    assert partition.take("t") is None, "its last record is not here yet"
    partition.add([records[9]])
    partition.add([Record(10, b"k", b"behind it")])
    again = partition.take("t")
    assert again is not None
    assert (again.bounds, list(again.records)) == (announced.bounds, records)


def test_a_pending_batch_that_ends_with_markers_is_whole_at_the_partitions_end() -> None:
    records = _events(3)
    bounds = Bounds(topic="id", epoch="e", start=0, to=6, rows=3, digest=digest(records))
    partition = _filled(records, bounds)
    assert partition.take("t") is None
    partition.end = 6
    assert partition.take("t") is not None


@pytest.mark.parametrize("changed", [_events(9), [*_events(9), Record(9, b"k", b"other")]])
def test_a_pending_batch_whose_records_are_others_stops(changed: list[Record]) -> None:
    announced = _filled(_events(10)).take("t")
    assert announced is not None
    partition = _filled(changed, announced.bounds)
    partition.end = 10
    with pytest.raises(Fatal, match="the topic was changed"):
        partition.take("t")


def test_a_record_that_comes_twice_is_noticed() -> None:
    partition = _filled(_events(3))
    with pytest.raises(OutOfOrder):
        partition.add(_events(1, first=2))
    with pytest.raises(OutOfOrder):
        _filled([*_events(3), *_events(1, first=2)])
    with pytest.raises(OutOfOrder):
        _filled([], Bounds(topic="id", epoch="e", start=5)).add(_events(1, first=4))


def test_bounds_survive_their_way_through_the_metadata_of_a_commit() -> None:
    bounds = Bounds(topic="id", epoch="e", start=3, to=9, rows=6, digest="d")
    assert decode(bounds.encode(), "id", "here") == bounds
    assert len(bounds.encode()) < 4096


@pytest.mark.parametrize("metadata", [None, "", "{}", "17", '{"topic":"id","epoch":"e","start":"x"}'])
def test_metadata_of_somebody_else_stops(metadata: str | None) -> None:
    with pytest.raises(Fatal, match="carries no bounds of this sink"):
        decode(metadata, "id", "here")


def test_bounds_of_a_topic_that_was_made_anew_stop() -> None:
    with pytest.raises(Fatal, match="made anew"):
        decode(BEGUN.encode(), "another id", "here")


def test_a_reserved_key_that_is_no_control_record_is_quarantined() -> None:
    odd = Record(0, f"{RESERVED_PREFIX}other".encode(), b"{}")
    [insert] = _target().inserts(0, [odd], _types).each
    assert insert.table == "orders.quarantine"
