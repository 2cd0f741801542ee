"""What every event store promises, shown on the one in memory and on the one in Postgres."""

from collections import defaultdict
from datetime import UTC, datetime, timedelta

import pytest

from producers import EventStore
from producers.store import Outcome, StoredEvent
from producers.store.hashing import NO_HASH, append_digest, event_hash
from schemas import Domain
from tests.writes import Writer, kinds


def test_an_empty_store_has_its_head_at_zero_and_knows_nothing(store: EventStore) -> None:
    assert store.head().position == 0
    assert store.head().digest == NO_HASH
    assert store.append([]) == []
    assert store.load({"s": 0}).streams == {}
    assert store.find(["c"]) == {}
    assert store.read(0, 10) == []


def test_positions_are_dense_from_one_in_the_order_of_the_writes(store: EventStore, writer: Writer) -> None:
    batches = [["a", "b", "a"], ["c"], ["b", "a"]]
    for batch in batches:
        store.append([writer.write(stream, events=2) for stream in batch])
    found = store.read(0, 100)
    assert [event.position for event in found] == list(range(1, 13))
    assert [event.stream for event in found[::2]] == ["a", "b", "a", "c", "b", "a"]
    versions = defaultdict(list)
    for event in found:
        versions[event.stream].append(event.version)
    assert versions == {"a": [1, 2, 3, 4, 5, 6], "b": [1, 2, 3, 4], "c": [1, 2]}
    assert store.head().position == 12


def test_an_accepted_write_answers_version_and_position(store: EventStore, writer: Writer) -> None:
    outcomes = store.append([writer.write("a", events=2), writer.write("b"), writer.write("a")])
    assert outcomes == [
        Outcome("accepted", 2, 2, 2),
        Outcome("accepted", 1, 1, 3),
        Outcome("accepted", 3, 1, 4),
    ]


def test_what_was_stored_comes_back_as_it_was(store: EventStore, writer: Writer) -> None:
    data = '{"type":"Made","text":"it\'s \\"quoted\\" \\\\ \\u0000 grün 🙂"}'.encode()
    write = writer.write("a", command="my-command", data=data, key="key é")
    store.append([write])
    [event] = store.read(0, 10)
    assert (event.id, event.command, event.type, event.partition_key) == (
        "my-command:1",
        "my-command",
        "Made",
        "key é",
    )
    assert (event.data, event.hash) == (data, write.events[0].hash)
    assert store.load({"a": 0}).streams["a"].events == (data,)


def test_reading_goes_on_after_a_position_and_is_limited(store: EventStore, writer: Writer) -> None:
    store.append([writer.write(f"s{n}") for n in range(10)])
    assert [event.position for event in store.read(3, 4)] == [4, 5, 6, 7]
    assert store.read(10, 4) == []


def test_streams_are_loaded_after_a_version_many_at_once(store: EventStore, writer: Writer) -> None:
    for n in range(3):
        store.append([writer.write("a", data=b'{"n":%d}' % n), writer.write("b", events=2)])
    found = store.load({"a": 1, "b": 6, "unknown": 0}).streams
    assert set(found) == {"a", "b"}
    assert found["a"].events == (b'{"n":1}', b'{"n":2}')
    assert (found["a"].version, found["a"].hash) == writer.tips["a"]
    assert found["a"].partition_key == "key of a"
    assert found["b"].events == ()
    assert found["b"].version == 6


def test_a_stale_write_in_the_middle_falls_alone(store: EventStore, writer: Writer, orders: Domain) -> None:
    store.append([writer.write("contested")])
    stale = Writer(orders).write("contested", command="stale")
    batch = [writer.write("a"), stale, writer.write("b")]
    assert kinds(store.append(batch)) == ["accepted", "conflict", "accepted"]
    assert [event.stream for event in store.read(0, 10)] == ["contested", "a", "b"]
    assert store.head().position == 3
    assert store.find(["stale"]) == {}


def test_what_builds_on_a_fallen_write_falls_with_it_whole(store: EventStore, writer: Writer, orders: Domain) -> None:
    store.append([writer.write("a")])
    late = Writer(orders)
    batch = [late.write("a", events=2), late.write("a", events=3), late.write("b")]
    assert kinds(store.append(batch)) == ["conflict", "conflict", "accepted"]
    assert store.head().position == 2


def test_the_same_version_with_another_history_is_a_conflict(store: EventStore, writer: Writer, orders: Domain) -> None:
    store.append([writer.write("a")])
    other = Writer(orders)
    other.write("a", data=b'{"type":"Other"}')
    assert kinds(store.append([other.write("a")])) == ["conflict"]


def test_a_used_id_gives_the_first_answer_or_is_refused_for_another_body(store: EventStore, writer: Writer) -> None:
    first = store.append([writer.write("a"), writer.write("a", events=2, command="mine", body=b"1" * 16)])[1]
    retry = writer.write("a", events=2, command="mine", body=b"1" * 16)
    other = writer.write("b", command="mine", body=b"2" * 16)
    assert store.append([retry]) == [Outcome("repeated", first.version, first.events, first.position)]
    assert kinds(store.append([other])) == ["misused"]
    assert store.head().position == 3
    answer = store.find(["mine", "unknown"])
    assert set(answer) == {"mine"}
    assert (answer["mine"].fingerprint, answer["mine"].position) == (b"1" * 16, 3)


def test_an_id_that_stands_twice_in_a_batch_is_stored_once(store: EventStore, writer: Writer) -> None:
    batch = [writer.write("a", command="twice"), writer.write("b"), writer.write("c", command="twice")]
    assert kinds(store.append(batch)) == ["accepted", "accepted", "repeated"]
    assert [event.stream for event in store.read(0, 10)] == ["a", "b"]


def test_a_write_without_events_is_remembered_and_moves_nothing(store: EventStore, writer: Writer) -> None:
    store.append([writer.write("a")])
    nothing = writer.write("a", events=0, command="nothing")
    assert store.append([nothing]) == [Outcome("accepted", 1, 0, 1)]
    assert store.append([nothing]) == [Outcome("repeated", 1, 0, 1)]
    assert store.head().position == 1


def test_writes_on_a_stream_that_do_not_build_on_each_other_are_a_mistake(store: EventStore, orders: Domain) -> None:
    with pytest.raises(ValueError, match="do not build on each other"):
        store.append([Writer(orders).write("a"), Writer(orders).write("a")])
    assert store.head().position == 0


def test_the_watermark_follows_the_latest_event_time_but_never_the_clock(store: EventStore, writer: Writer) -> None:
    day = 86_400_000_000
    far = int(datetime(2999, 1, 1, tzinfo=UTC).timestamp()) * 1_000_000
    store.append(
        [writer.write("a", happened=2 * day), writer.write("b", happened=day), writer.write("c", happened=far)]
    )
    first, second, third = store.read(0, 10)
    assert first.watermark == second.watermark == datetime(1970, 1, 3, tzinfo=UTC)
    assert third.watermark == third.time
    assert abs(third.time - datetime.now(UTC)) < timedelta(minutes=5)


def test_the_hash_chain_can_be_recomputed_from_what_is_stored(
    store: EventStore, writer: Writer, orders: Domain
) -> None:
    for n in range(4):
        store.append([writer.write(f"s{i % 3}", events=1 + i % 2, data=b'{"n":%d,"i":%d}' % (n, i)) for i in range(7)])
    tips: dict[str, bytes] = {}
    for event in store.read(0, 1000):
        tips[event.stream] = event_hash(
            tips.get(event.stream, NO_HASH),
            orders.key,
            event.stream,
            event.version,
            event.id,
            event.partition_key,
            event.data,
        )
        assert tips[event.stream] == event.hash


def test_the_rolling_digest_can_be_recomputed_from_what_is_stored(
    store: EventStore, writer: Writer, orders: Domain
) -> None:
    store.append([writer.write("a"), writer.write("b", events=3)])
    stale = Writer(orders).write("a", command="stale")
    store.append([writer.write("c"), stale, writer.write("d")])
    store.append([writer.write("a")])
    appends: dict[datetime, list[StoredEvent]] = defaultdict(list)
    for event in store.read(0, 100):
        appends[event.time].append(event)
    digest = NO_HASH
    for time, events in appends.items():
        hashes, marks = [event.hash for event in events], [event.watermark for event in events]
        digest = append_digest(digest, events[0].position, time, hashes, marks)
        assert [event.digest for event in events] == [None] * (len(events) - 1) + [digest]
    assert len(appends) == 3
    assert store.head().digest == digest
