"""Versions of streams: gaps hold their key and are named, repeats change nothing, skipped events leave no gap."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas import Envelope, discover
from streams.changes import Changes
from streams.domains.orders import FOLDS
from streams.fold import Fold, by_partition_key
from streams.folding import Folder
from streams.refolding import Refold
from streams.windows import OpenWindows
from tests.integration.order_source import Source

DOMAIN = discover()["orders"]
# The second has no table of streams, so that all versions stand in the engine's own.
ALL_FOLDS = [FOLDS, (replace(FOLDS[0], key=lambda envelope: envelope.subject), *FOLDS[1:])]


class Record(NamedTuple):
    key: bytes
    value: bytes
    offset: int


def records_of(source: Source, count: int) -> list[Record]:
    return [Record(key.encode(), value, offset) for offset, (key, value) in enumerate(source.events(count))]


RECORDS = records_of(Source(customers=5), 300)


class Tables:
    """The state of one partition, as the worker keeps it."""

    def __init__(self, folds: Sequence[Fold] = FOLDS) -> None:
        self.folder = Folder(DOMAIN, folds)
        self.rows: tuple[dict[bytes, bytes], ...] = tuple({} for _ in (*folds, None))
        self.held: set[bytes] = set()
        self.windows = OpenWindows()

    def run(self, records: Sequence[Record]) -> Changes:
        changes = self.folder.run(records, self.rows, self.held, self.windows)
        self.apply(changes)
        return changes

    def apply(self, changes: Changes) -> None:
        for rows, changed in zip(self.rows, changes.rows, strict=True):
            for key, value in changed.items():
                rows.pop(key, None)
                if value is not None:
                    rows[key] = value
        self.held |= set(changes.held)
        self.held -= changes.released
        self.windows.move(changes.mark, changes.closed, changes.opened)


@pytest.mark.parametrize("folds", ALL_FOLDS, ids=["carried", "noted"])
@settings(max_examples=25, deadline=None)
@given(missing=st.integers(0, 299), cuts=st.lists(st.integers(0, 299), max_size=5).map(sorted))
def test_no_event_is_folded_over_a_gap_in_its_stream(folds: Sequence[Fold], missing: int, cuts: list[int]) -> None:
    lost = msgspec.json.decode(RECORDS[missing].value)
    tables, left = Tables(folds), [record for record in RECORDS if record.offset != missing]
    for start, end in zip([0, *cuts], [*cuts, 299], strict=True):
        tables.run(left[start:end])
    followed = _of_stream(lost["subject"])[-1].offset > missing
    assert tables.held == ({RECORDS[missing].key} if followed else set())


def test_a_gap_is_named() -> None:
    first, second, third = _of_stream(_long_order())
    tables = Tables()
    tables.run([first])
    [letter] = tables.run([third]).dead_letters
    assert f"stream {_long_order()}: expected version 2, found 3" in letter.error
    late = tables.run([second, third])
    assert (late.rows, late.passed_over) == (({}, {}, {}, {}), 2), "a gap that closes later changes nothing"


def _of_stream(stream: str) -> list[Record]:
    return [record for record in RECORDS if msgspec.json.decode(record.value)["subject"] == stream]


def _long_order() -> str:
    subjects: list[str] = [msgspec.json.decode(record.value)["subject"] for record in RECORDS]
    return next(subject for subject in subjects if subjects.count(subject) == 3)


def test_an_event_that_comes_again_does_not_bring_back_a_row_that_was_removed() -> None:
    def comes_and_goes(value: Any, event: Any, envelope: Envelope[Any]) -> Any:
        return None if value else FOLDS[1].fold(None, event, envelope)

    folds = (FOLDS[0], Fold("customers", by_partition_key, comes_and_goes), FOLDS[2])
    placed = [record for record in RECORDS if b'"type":"OrderPlaced"' in record.value]
    two = [record for record in placed if record.key == placed[0].key][:2]
    tables = Tables(folds)
    tables.run(two[:1])
    tables.run(two[1:])
    assert tables.rows[1] == {}
    for again in (two, two[:1], two[1:]):
        assert tables.run(again).rows == ({}, {}, {}, {})


class Store:
    """An event store of these records."""

    def __init__(self, records: Sequence[Record], skipped: Sequence[str] = ()) -> None:
        self.records, self._skipped = records, frozenset(skipped)

    def events(self, key: str, after: int, upto: int) -> Iterator[list[Any]]:
        for record in self.records:
            event = msgspec.json.decode(record.value)
            if record.key.decode() == key and after < event["position"] <= upto:
                yield [_Past(event["id"], event["position"], event["subject"], event["sequence"], record.value)]

    def skipped(self, _key: str) -> frozenset[str]:
        return self._skipped


class _Past(NamedTuple):
    id: str
    position: int
    stream: str
    version: int
    value: bytes


def refolded(tables: Tables, key: bytes, store: Store, upto: int) -> Changes:
    refold = Refold(tables.folder, key, "request", store)
    refold.read(upto, lambda: False)
    changes = refold.changes(tables.rows, tables.windows.mark)
    tables.apply(changes)
    return changes


def _without_epochs(tables: Tables) -> list[dict[bytes, Any]]:
    *folded, versions = tables.rows
    decoded = [{key: {**msgspec.json.decode(row), "epoch": 0} for key, row in rows.items()} for rows in folded]
    return [*decoded, {key: version for key, version in versions.items() if key not in folded[0]}]


@settings(max_examples=25, deadline=None)
@given(failing=st.integers(1, 300), stop=st.integers(0, 300))
def test_a_refold_with_mended_code_gives_the_tables_of_a_fold_that_never_failed(failing: int, stop: int) -> None:
    def fails(value: Any, event: Any, envelope: Envelope[Any]) -> Any:
        if envelope.position == failing:
            raise RuntimeError("a bug")
        return FOLDS[0].fold(value, event, envelope)

    broken, right = Tables((replace(FOLDS[0], fold=fails), *FOLDS[1:])), Tables()
    stop = max(stop, failing)
    broken.run(RECORDS[:stop])
    key = RECORDS[failing - 1].key
    assert broken.held == {key}
    broken.folder = Folder(DOMAIN, FOLDS)
    for _ in range(2):
        assert refolded(broken, key, Store(RECORDS), stop).released == {key}
    broken.run(RECORDS[stop:])
    right.run(RECORDS)
    assert _without_epochs(broken) == _without_epochs(right)
    assert broken.run(RECORDS).rows == ({}, {}, {}, {}), "what comes again changes nothing"


def test_a_refold_that_fails_again_keeps_the_key_held_and_says_which_request_it_answers() -> None:
    def fails(*_: Any) -> Any:
        raise RuntimeError("still there")

    tables = Tables((FOLDS[0], replace(FOLDS[1], fold=fails), FOLDS[2]))
    tables.run(RECORDS)
    key = RECORDS[0].key
    changes = refolded(tables, key, Store(RECORDS), 300)
    assert (changes.released, set(changes.held)) == (set(), {key})
    assert changes.held[key].held().answered == "request"
    assert "still there" in changes.dead_letters[0].error


def test_a_skipped_event_is_left_out_its_rows_go_and_it_leaves_no_gap() -> None:
    tables = Tables()
    tables.run(RECORDS)
    first, _, third = (r for r in RECORDS if msgspec.json.decode(r.value)["subject"] == _long_order())
    ids = [
        msgspec.json.decode(r.value)["id"] for r in RECORDS if msgspec.json.decode(r.value)["subject"] == _long_order()
    ]
    assert _long_order().encode() in tables.rows[0]
    changes = refolded(tables, first.key, Store(RECORDS, ids), 300)
    assert changes.released == {first.key}
    assert _long_order().encode() not in tables.rows[0]
    assert tables.rows[3][_long_order().encode()] == b"3"
    assert tables.run([first, third]).rows == ({}, {}, {}, {}), "it does not come back either"


def test_rows_of_another_key_are_never_touched_even_where_they_have_its_name() -> None:
    tables = Tables()
    tables.run(RECORDS)
    key = RECORDS[0].key
    stranger = b'{"position":1,"data":{},"epoch":0,"partitionkey":"somebody"}'
    tables.rows[0][key] = stranger
    refolded(tables, key, Store(RECORDS), 300)
    assert tables.rows[0][key] == stranger
