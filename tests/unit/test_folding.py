"""The driver of the folds: runs of records in memory, whole or cut, good or bad."""

from dataclasses import replace
from typing import Any, NamedTuple

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas import REFOLD_KEY, WATERMARK_KEY, Control, Envelope, Refold, Row, discover, encode
from streams.changes import Changes
from streams.domains.orders import FOLDS
from streams.fold import Fold, by_partition_key
from streams.folding import Folder
from streams.rows import MAX_ROW_BYTES
from tests.integration.order_source import START, Source

DOMAIN = discover()["orders"]


class Record(NamedTuple):
    key: bytes | None
    value: bytes | None
    offset: int


def records_of(source: Source, count: int) -> list[Record]:
    return [Record(key.encode(), value, offset) for offset, (key, value) in enumerate(source.events(count))]


class Tables:
    """Rows and held keys, kept from run to run."""

    def __init__(self, folds: tuple[Fold, ...] = FOLDS) -> None:
        self.folder = Folder(DOMAIN, folds)
        self.rows: tuple[dict[bytes, bytes], ...] = tuple({} for _ in folds)
        self.held: set[bytes] = set()

    def run(self, records: list[Record]) -> Changes:
        changes = self.folder.run(records, self.rows, self.held)
        for rows, changed in zip(self.rows, changes.rows, strict=True):
            for key, value in changed.items():
                if value is None:
                    rows.pop(key, None)
                else:
                    rows[key] = value
        self.held.update(changes.held)
        return changes

    def data(self, table: int) -> dict[str, Any]:
        return {key.decode(): msgspec.json.decode(row)["data"] for key, row in self.rows[table].items()}


def folded(records: list[Record]) -> Tables:
    tables = Tables()
    tables.run(records)
    return tables


RECORDS = records_of(Source(customers=5), 400)


def test_each_touched_row_is_answered_once_with_the_last_position_applied_to_it() -> None:
    source = Source(customers=5)
    changes = Tables().run(records_of(source, 400))
    assert changes.events == 400
    assert set(changes.rows[1]) == {customer.encode() for customer in source.ledger.counts}
    statuses = {
        key.decode(): msgspec.json.decode(value or b"")["data"]["status"] for key, value in changes.rows[0].items()
    }
    assert statuses == source.ledger.status
    assert changes.mark is not None
    assert changes.mark.position == 400


@settings(max_examples=30, deadline=None)
@given(cuts=st.lists(st.integers(0, 400), max_size=8).map(sorted))
def test_however_a_run_is_cut_the_tables_are_the_same(cuts: list[int]) -> None:
    tables = Tables()
    for start, end in zip([0, *cuts], [*cuts, 400], strict=True):
        tables.run(RECORDS[start:end])
    assert tables.rows == folded(RECORDS).rows


@settings(max_examples=30, deadline=None)
@given(start=st.integers(0, 400), length=st.integers(0, 400))
def test_events_that_come_again_change_nothing(start: int, length: int) -> None:
    tables = folded(RECORDS)
    assert tables.run(RECORDS[start : start + length]).rows == ({}, {}, {})
    assert tables.held == set()


def test_an_event_that_changes_no_row_writes_none() -> None:
    tables = folded(RECORDS)
    source = Source(customers=5)
    list(source.events(400))
    shipped = next(r for r in records_of(source, 100) if b'"type":"OrderShipped"' in (r.value or b""))
    orders, customers, _ = tables.run([shipped]).rows
    assert (len(orders), len(customers)) == (1, 0)


@pytest.mark.parametrize(
    "value",
    [
        b"not JSON",
        b"\xff\xfe",
        b"{}",
        None,
        (RECORDS[9].value or b"").replace(b"Order", b"Oyster"),
        (RECORDS[9].value or b"").replace(b'"partitionkey":"customer-', b'"partitionkey":"stranger-'),
        b'{"data":' + b"[" * 2000,
    ],
    ids=["not JSON", "not text", "empty", "no value", "unknown type", "another partition key", "deeply nested"],
)
def test_a_record_that_is_no_event_holds_its_key_and_no_other(value: bytes | None) -> None:
    key = RECORDS[9].key
    broken = [*RECORDS[:9], RECORDS[9]._replace(value=value), *RECORDS[10:]]
    tables = Tables()
    changes = tables.run(broken)
    assert tables.held == {key}
    assert [(letter.key, letter.value, letter.offset) for letter in changes.dead_letters] == [(key, value, 9)]
    before = [record for record in RECORDS[:9] if record.key == key]
    others = [record for record in RECORDS if record.key != key]
    assert tables.rows == folded(sorted(before + others, key=lambda record: record.offset)).rows
    assert changes.passed_over == len([record for record in RECORDS[10:] if record.key == key])


def test_a_key_that_is_no_text_is_held_and_no_other() -> None:
    tables = Tables()
    changes = tables.run([*RECORDS[:9], RECORDS[9]._replace(key=b"\xff"), *RECORDS[10:20]])
    assert changes.held.keys() == {b"\xff"}
    assert changes.dead_letters[0].value == RECORDS[9].value


def test_a_fold_that_raises_leaves_no_trace_of_its_event_in_any_table() -> None:
    def fails_at_100(value: Any, event: Any, envelope: Envelope[Any]) -> Any:
        if envelope.position == 100:
            raise RuntimeError("cannot \ud800 say")
        return FOLDS[1].fold(value, event, envelope)

    tables = Tables((FOLDS[0], replace(FOLDS[1], fold=fails_at_100, events=()), FOLDS[2]))
    changes = tables.run(RECORDS)
    key = RECORDS[99].key
    assert set(changes.held) == {key}
    assert changes.dead_letters[0].position == 100
    assert "RuntimeError: cannot \\ud800 say" in changes.dead_letters[0].error
    assert "fails_at_100" in changes.dead_letters[0].stack
    assert msgspec.json.decode(encode(changes.dead_letters[0].held()))["position"] == 100
    others = [record for record in RECORDS if record.key != key or record.offset < 99]
    assert tables.rows == folded(others).rows


def test_an_error_that_cannot_even_be_printed_holds_the_key_like_any_other() -> None:
    class Unspeakable(Exception):
        def __str__(self) -> str:
            raise RuntimeError

    def fails(*_: Any) -> Any:
        raise Unspeakable

    tables = Tables((FOLDS[0], replace(FOLDS[1], fold=fails, events=()), FOLDS[2]))
    assert "Unspeakable" in tables.run(RECORDS[:1]).dead_letters[0].error


def test_a_key_held_before_stays_held_and_the_mark_goes_on() -> None:
    tables = Tables()
    tables.held = {record.key for record in RECORDS if record.key is not None}
    changes = tables.run(RECORDS)
    assert changes.rows == ({}, {}, {})
    assert changes.passed_over == 400
    assert changes.dead_letters == []
    assert changes.mark is not None
    assert changes.mark.position == 400


@pytest.mark.parametrize(
    "bad", [object(), "\ud800", "x" * (MAX_ROW_BYTES + 1)], ids=["no JSON", "no text", "too large"]
)
def test_a_row_that_cannot_be_written_holds_its_key_from_that_event_on(bad: Any) -> None:
    def spoiled(value: Any, event: Any, envelope: Envelope[Any]) -> Any:
        good = FOLDS[1].fold(value, event, envelope)
        return msgspec.structs.replace(good, customer_id=bad) if envelope.position == 200 else good

    tables = Tables((FOLDS[0], replace(FOLDS[1], fold=spoiled, events=()), FOLDS[2]))
    tables.run(RECORDS[:150])
    changes = tables.run(RECORDS[150:])
    key = RECORDS[199].key
    if key not in changes.held:
        pytest.fail("the customer of position 200 is not held")
    assert set(changes.held) == {key}
    others = [record for record in RECORDS if record.key != key or record.offset < RECORDS[199].offset]
    assert tables.rows == folded(others).rows


def test_a_fold_that_answers_none_removes_the_row() -> None:
    tables = Tables(
        (FOLDS[0], Fold("customers", by_partition_key, lambda value, *_: None if value else {"n": 1}), FOLDS[2])
    )
    two = [record for record in RECORDS if record.key == RECORDS[0].key][:2]
    assert tables.run(two[:1]).rows[1] == {RECORDS[0].key: encode(Row(position=1, data={"n": 1}))}


def test_control_records_and_records_without_a_key_hold_nothing() -> None:
    mark = Control(position=900, time=START)
    changes = Tables().run(
        [
            Record(WATERMARK_KEY, encode(mark), 0),
            Record(WATERMARK_KEY, b"broken", 1),
            Record(b"~unknown", b"{}", 2),
            Record(None, b"no key", 3),
            Record(REFOLD_KEY, encode(Refold(id="r-1", key="customer-1")), 4),
        ]
    )
    assert changes.mark == mark
    assert changes.held == {}
    assert [letter.offset for letter in changes.dead_letters] == [1, 2, 3]


def test_an_older_mark_never_replaces_a_newer_one() -> None:
    older = Record(WATERMARK_KEY, encode(Control(position=3, time=START)), 400)
    mark = Tables().run([*RECORDS, older]).mark
    assert mark is not None
    assert mark.position == 400


def test_a_domain_must_declare_one_fold_for_each_aggregate() -> None:
    with pytest.raises(ValueError, match=r"streams/domains/orders\.py must declare one fold for each aggregate"):
        Folder(DOMAIN, FOLDS[:1])
