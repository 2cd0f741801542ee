"""What every event store promises of single streams and of snapshots."""

from producers import EventStore
from producers.store import Snapshot
from tests.writes import Writer


def test_a_stream_is_read_after_any_version(store: EventStore, writer: Writer) -> None:
    store.append([writer.write(stream, events=3) for stream in ("a", "b", "a")])
    stored = {e.version: e for e in store.read(0, 100) if e.stream == "a"}
    for after in range(8):
        found = list(store.read_stream("a", after))
        assert [e.version for e in found] == list(range(after + 1, 7))
        same = ("position", "id", "type", "time", "hash", "data")
        assert all(getattr(e, name) == getattr(stored[e.version], name) for e in found for name in same)
    assert list(store.read_stream("nobody")) == []


def test_a_stream_that_is_loaded_on_says_what_hash_it_goes_on_from(store: EventStore, writer: Writer) -> None:
    store.append([writer.write("a", events=3)])
    hashes = [b"", *(e.hash for e in store.read_stream("a"))]
    for after in range(4):
        history = store.load({"a": after}).streams["a"]
        assert (len(history.events), history.before) == (3 - after, hashes[after])
    ahead = store.load({"a": 4}).streams["a"]
    assert (ahead.version, ahead.events, ahead.before) == (3, (), b"")


def test_many_streams_are_loaded_each_on_from_its_own_version(store: EventStore, writer: Writer) -> None:
    store.append([writer.write(f"s{n}", events=n) for n in range(1, 6)])
    found = store.load({f"s{n}": n - 1 for n in range(1, 6)}).streams
    assert {stream: len(history.events) for stream, history in found.items()} == dict.fromkeys(found, 1)
    assert len(found) == 5


def test_the_newest_snapshot_of_a_code_is_kept(store: EventStore) -> None:
    def made(version: int, code: bytes = b"c" * 32) -> Snapshot:
        return Snapshot("a", version, b"h" * 32, code, b"s" * 16, b'{"it\'s":"\xc3\xa9"}')

    assert store.snapshots(["a"], b"c" * 32) == {}
    for version in (5, 9, 7):
        store.keep(made(version))
    assert store.snapshots(["a", "b"], b"c" * 32) == {"a": made(9)}
    assert store.snapshots(["a"], b"d" * 32) == {}
    store.keep(made(3, b"d" * 32))
    assert store.snapshots(["a"], b"c" * 32) == {}
    assert store.snapshots(["a"], b"d" * 32) == {"a": made(3, b"d" * 32)}
