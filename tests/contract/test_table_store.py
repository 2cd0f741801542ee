"""What every store of a partition's tables promises, in memory as in RocksDB; and what is left of one on disk."""

import os
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from confluent_kafka import OFFSET_BEGINNING
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from schemas import Control, Unavailable
from streams.rocks import Memory, RocksStore
from streams.store import Changelog, Damaged, MemoryStore, Store

TOPICS = ("orders", "customers")
LOGS = (Changelog("id-1", 0, 100), Changelog("id-2", 0, 200))
MEMORY = Memory()
MARK = Control(position=7, time=datetime(2026, 1, 1, tzinfo=UTC))
Changes = list[dict[bytes, bytes | None]]


def memory(_: Path) -> Store:
    return MemoryStore(len(TOPICS))


def rocks(directory: Path) -> Store:
    return RocksStore(directory / "0", TOPICS, MEMORY)


def opened(store: Store, logs: Sequence[Changelog] = LOGS) -> Store:
    store.open(lambda: logs)
    return store


def loaded(store: Store, *tables: dict[bytes, bytes], ends: Sequence[int] = (100, 200)) -> Store:
    """A store that was opened and then loaded up to the ends of its changelogs."""
    opened(store)
    for table, rows, end in zip(store.tables, tables, ends, strict=True):
        table.load(rows.items())
        table.loaded(MARK, end)
    store.ready()
    return store


@pytest.fixture(params=[memory, rocks])
def make(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Callable[[], Store]]:
    made: list[Store] = []

    def new() -> Store:
        made.append(request.param(tmp_path))
        return made[-1]

    yield new
    for store in made:
        store.close()


_keys = st.sampled_from([b"", b"a", b"a\x00", b"b", b"\xff", b"\xff\xff", b"order-1", "Zürich".encode()])
_values = st.one_of(st.none(), st.binary(max_size=20))
_changed = st.dictionaries(_keys, _values, max_size=6)


@pytest.mark.parametrize("kind", [memory, rocks])
@given(st.lists(st.tuples(st.sampled_from(["load", "chunk", "look"]), st.tuples(_changed, _changed)), max_size=12))
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.differing_executors])
def test_a_store_is_like_a_dict_a_table(kind: Callable[[Path], Store], steps: list[tuple[str, Changes]]) -> None:
    with TemporaryDirectory() as directory:
        store = loaded(kind(Path(directory)), {}, {})
        model: tuple[dict[bytes, bytes], ...] = ({}, {})
        for step, changes in steps:
            if step == "look":
                _assert_equal(store, model)
                continue
            for truth, changed in zip(model, changes, strict=True):
                truth.update({key: value for key, value in changed.items() if value is not None})
                for key in [key for key, value in changed.items() if value is None]:
                    truth.pop(key, None)
            if step == "load":
                for table, changed in zip(store.tables, changes, strict=True):
                    table.load(changed.items())
            else:
                store.apply(changes)
                _assert_equal(store, model)
                store.settle((None, None), None)
        _assert_equal(store, model)
        store.close()


def _assert_equal(store: Store, model: Sequence[dict[bytes, bytes]]) -> None:
    for rows, truth in zip(store.rows, model, strict=True):
        assert dict(rows.items()) == truth
        assert (len(rows), sorted(rows)) == (len(truth), sorted(truth))
        for key in (b"a", b"absent", *truth):
            assert rows.get(key) == truth.get(key)
            assert (key in rows) == (key in truth)


def test_a_removed_row_is_not_there(make: Callable[[], Store]) -> None:
    store = loaded(make(), {b"a": b"1", b"b": b"2"}, {b"a": b"other table"})
    store.apply([{b"a": None}, {}])
    assert (dict(store.rows[0]), b"a" in store.rows[0], dict(store.rows[1])) == (
        {b"b": b"2"},
        False,
        {b"a": b"other table"},
    )
    with pytest.raises(KeyError):
        store.rows[0][b"a"]


def test_a_settled_chunk_is_kept_and_its_changelogs_are_read_from_its_end(tmp_path: Path) -> None:
    store = loaded(rocks(tmp_path), {b"a": b"1", b"b": b"2"}, {}, ends=(10, 20))
    store.apply([{b"a": b"3", b"b": None}, {}])
    store.settle((15, None), MARK)
    store.close()
    again = opened(rocks(tmp_path))
    assert [dict(rows) for rows in again.rows] == [{b"a": b"3"}, {}]
    assert [(table.start, table.mark) for table in again.tables] == [(15, MARK), (20, MARK)]
    again.close()


def test_a_chunk_that_was_not_settled_is_not_kept(tmp_path: Path) -> None:
    store = loaded(rocks(tmp_path), {b"a": b"1"}, {}, ends=(10, 20))
    store.apply([{b"a": b"uncommitted"}, {b"b": b"uncommitted"}])
    assert store.rows[0][b"a"] == b"uncommitted"
    store.close()
    again = opened(rocks(tmp_path))
    assert [dict(rows) for rows in again.rows] == [{b"a": b"1"}, {}]
    assert [table.start for table in again.tables] == [10, 20]
    again.close()


def _spoil(directory: Path) -> None:
    for file in directory.glob("0/*/*"):
        if file.name.startswith(("MANIFEST", "CURRENT")) or file.suffix in (".sst", ".log"):
            file.write_bytes(b"\x00" * 50)


@pytest.mark.parametrize(
    ("spoil", "logs", "said"),
    [
        (_spoil, LOGS, "replaced from the changelog"),
        (lambda at: next(at.glob("0/*/CURRENT")).unlink(), LOGS, "replaced from the changelog"),
        (lambda at: (next(at.glob("0/*")) / "damaged").write_text("bad block"), LOGS, "found damaged (bad block)"),
        (lambda _: None, (Changelog("another", 0, 100), LOGS[1]), "topic orders was made anew"),
        (lambda _: None, (Changelog("id-1", 100, 100), LOGS[1]), "topic orders was trimmed"),
        (lambda _: None, (LOGS[0], Changelog("id-2", 0, 19)), "topic customers was trimmed"),
    ],
)
def test_files_that_cannot_be_used_are_replaced_with_a_sentence(
    spoil: Callable[[Path], object],
    logs: Sequence[Changelog],
    said: str,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    loaded(rocks(tmp_path), {b"a": b"1"}, {}, ends=(10, 20)).close()
    spoil(tmp_path)
    store = opened(rocks(tmp_path), logs)
    assert said in caplog.text
    assert [dict(rows) for rows in store.rows] == [{}, {}]
    assert [(table.start, table.mark) for table in store.tables] == [(OFFSET_BEGINNING, None)] * 2
    store.close()
    assert len(list(tmp_path.glob("0/*"))) == 1


def test_a_store_of_other_tables_is_replaced(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    loaded(rocks(tmp_path), {b"a": b"1"}, {}).close()
    other = RocksStore(tmp_path / "0", ("customers", "orders"), MEMORY)
    assert [dict(rows) for rows in opened(other).rows] == [{}, {}]
    assert "it has the tables orders, customers" in caplog.text
    other.close()


def test_files_older_than_the_memory_of_removals_are_replaced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    loaded(rocks(tmp_path), {b"a": b"1"}, {}).close()
    monkeypatch.setattr("streams.checkpoint._KEEP_SECONDS", 0)
    store = opened(rocks(tmp_path))
    assert (dict(store.rows[0]), "older than" in caplog.text) == ({}, True)
    store.close()


def test_a_load_that_was_cut_short_begins_anew(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    store = opened(rocks(tmp_path))
    store.tables[0].load([(b"a", b"1")])
    store.close()
    again = opened(rocks(tmp_path))
    assert (dict(again.rows[0]), "not loaded to the end" in caplog.text) == ({}, True)
    again.close()


def test_files_that_are_still_open_are_replaced(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    first = loaded(rocks(tmp_path), {b"a": b"1"}, {})
    second = loaded(rocks(tmp_path), {b"a": b"2"}, {})
    assert "lock" in caplog.text
    first.close()
    assert second.rows[0][b"a"] == b"2"
    second.close()
    again = opened(rocks(tmp_path))
    assert dict(again.rows[0]) == {b"a": b"2"}
    again.close()


def test_a_store_that_fails_while_it_is_used_ends_the_work_and_is_replaced(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    store = loaded(rocks(tmp_path), {b"%d" % n: os.urandom(100) for n in range(1_000)}, {})
    store.close()
    [*files] = tmp_path.glob("0/*/*.sst")
    for file in files:
        data = bytearray(file.read_bytes())
        data[: len(data) // 2] = b"\x55" * (len(data) // 2)
        file.write_bytes(data)
    store = opened(rocks(tmp_path))
    with pytest.raises(Damaged, match="replaced from the changelog when the worker is started again"):
        dict(store.rows[0])
    store.close()
    again = opened(rocks(tmp_path))
    assert (dict(again.rows[0]), "found damaged" in caplog.text) == ({}, True)
    again.close()


def test_a_closed_store_says_that_its_rows_are_elsewhere(tmp_path: Path) -> None:
    store = loaded(rocks(tmp_path), {b"a": b"1"}, {})
    store.close()
    with pytest.raises(Unavailable, match="given the partition back"):
        store.rows[0].get(b"a")
