"""What every event store promises of writes on several streams and of guards."""

from producers import EventStore, Guard
from producers.store import Outcome, Write
from schemas import Domain
from tests.writes import Writer, kinds


def test_one_write_goes_onto_several_streams_or_onto_none(store: EventStore, writer: Writer, orders: Domain) -> None:
    outcomes = store.append([writer.write("a", events=2, others={"b": 1, "c": 2}), writer.write("c")])
    assert outcomes == [Outcome("accepted", 2, 5, 5), Outcome("accepted", 3, 1, 6)]
    found = store.read(0, 10)
    assert [(event.stream, event.version) for event in found] == [
        ("a", 1),
        ("a", 2),
        ("b", 1),
        ("c", 1),
        ("c", 2),
        ("c", 3),
    ]
    assert [event.id.rpartition(":")[2] for event in found] == ["1", "2", "3", "4", "5", "1"]
    late = Writer(orders)
    assert kinds(store.append([late.write("x", others={"b": 1}), late.write("x"), late.write("y")])) == [
        "conflict",
        "conflict",
        "accepted",
    ]
    assert store.load({"x": 0, "b": 0}).streams["b"].version == 1
    assert set(store.load({"x": 0, "y": 0}).streams) == {"y"}
    for name in ("a", "b", "c"):
        assert (store.load({name: 0}).streams[name].version, store.load({name: 0}).streams[name].hash) == writer.tips[
            name
        ]


def test_a_stream_that_was_only_read_must_not_have_moved(store: EventStore, writer: Writer, orders: Domain) -> None:
    store.append([writer.write("read")])
    late = Writer(orders)
    assert kinds(store.append([late.write("a", others={"read": 0}), late.write("b")])) == ["conflict", "accepted"]
    assert kinds(store.append([writer.write("c", others={"read": 0})])) == ["accepted"]
    batch = [writer.write("read"), writer.write("d", others={"read": 0, "never": 0})]
    assert kinds(store.append(batch)) == ["accepted", "accepted"]
    assert "never" not in store.load({"never": 0}).streams


def test_a_reader_of_a_stream_falls_with_the_write_before_it_but_takes_no_other_with_it(
    store: EventStore, writer: Writer, orders: Domain
) -> None:
    store.append([writer.write("a", command="used")])
    late = Writer(orders)
    batch = [
        late.write("s", command="used", body=b"2" * 16),
        late.write("t", others={"s": 0}),
        late.write("u", others={"other": 0}),
        late.write("v", others={"other": 0}),
    ]
    assert kinds(store.append(batch)) == ["misused", "conflict", "accepted", "accepted"]


def test_facts_that_were_looked_up_must_still_hold(store: EventStore, writer: Writer) -> None:
    stock, name = Guard("counter", "stock", 5, 0), Guard("claim", "name")
    assert kinds(store.append([writer.write("a", guards=(stock, name))])) == ["accepted"]

    def outcome(*guards: Guard) -> str:
        return store.append([writer.write(f"stream {len(writer.tips)}", guards=guards)])[0].kind

    loaded = store.load({}, ["stock", "never"], ["name", "none"])
    assert loaded.counters == {"stock": 5, "never": 0}
    assert loaded.claims == {"name"}
    assert outcome(Guard("value", "stock", 4)) == "conflict"
    assert outcome(Guard("free", "name")) == "conflict"
    assert outcome(Guard("held", "none")) == "conflict"
    assert outcome(
        Guard("value", "stock", 5), Guard("value", "never"), Guard("free", "none"), Guard("held", "name")
    ) == ("accepted")


def test_facts_see_what_the_writes_before_them_in_the_batch_did(store: EventStore, writer: Writer) -> None:
    store.append([writer.write("a", guards=(Guard("counter", "stock", 5, 0),))])
    batch = [
        writer.write("b", guards=(Guard("counter", "stock", -2, 0), Guard("claim", "name"))),
        writer.write("c", guards=(Guard("value", "stock", 5),)),
        writer.write("d", guards=(Guard("value", "stock", 3), Guard("held", "name"))),
        writer.write("e", guards=(Guard("release", "name"),)),
        writer.write("f", guards=(Guard("claim", "name"),)),
    ]
    assert kinds(store.append(batch)) == ["accepted", "conflict", "accepted", "accepted", "accepted"]


def test_a_key_is_claimed_by_one_write_only_until_it_is_released(store: EventStore, writer: Writer) -> None:
    def claim(stream: str, kind: str = "claim") -> list[str]:
        guard = Guard("claim", "a@b.c") if kind == "claim" else Guard("release", "a@b.c")
        return kinds(store.append([writer.write(stream, guards=(guard,))]))

    assert claim("a") == ["accepted"]
    assert store.append([writer.write("b", guards=(Guard("claim", "x"), Guard("claim", "a@b.c")))]) == [
        Outcome("guarded", 2)
    ]
    assert claim("c", "release") == ["accepted"]
    batch = [writer.write(s, guards=(Guard("claim", k),)) for s, k in (("d", "a@b.c"), ("e", "a@b.c"), ("f", "x"))]
    assert kinds(store.append(batch)) == ["accepted", "guarded", "accepted"]
    assert store.head().position == 4


def test_a_counter_does_not_fall_below_its_floor(store: EventStore, writer: Writer) -> None:
    def take(stream: str, amount: int) -> str:
        return store.append([writer.write(stream, guards=(Guard("counter", "stock", amount, 0),))])[0].kind

    assert [take("a", 5), take("b", -3), take("c", -3), take("d", -2)] == [
        "accepted",
        "accepted",
        "guarded",
        "accepted",
    ]


def test_a_counter_in_a_batch_falls_only_for_those_who_come_too_late(store: EventStore, writer: Writer) -> None:
    def take(stream: str, amount: int) -> Write:
        return writer.write(stream, guards=(Guard("claim", stream), Guard("counter", "stock", amount, 0)))

    batch = [take("a", 5), take("b", -3), take("c", -3), take("d", -2), take("e", -1)]
    assert kinds(store.append(batch)) == ["accepted", "accepted", "guarded", "accepted", "guarded"]
    assert store.load({}, ["stock"], list("abcde")).counters == {"stock": 0}
    assert store.load({}, [], list("abcde")).claims == set("abd")
    assert kinds(store.append([take("f", 2), take("g", -2), take("h", 1)])) == ["accepted"] * 3
    assert store.load({}, ["stock"]).counters == {"stock": 1}
