"""Long streams: answered quickly after a restart thanks to snapshots, and rightly without them."""

import asyncio
import random
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import msgspec
import psycopg2
import pytest

from producers import CommandHandler, Decider, PostgresEventStore, Request
from producers.handling.fingerprints import fingerprint
from producers.handling.snapshots import encode_state, sealed
from producers.history import Traveller
from producers.store import SNAPSHOT_EVERY as EVERY
from producers.store import Snapshot
from schemas import Refused
from tests.integration.long_streams import PRODUCTS, change, fill, kept, seen
from tests.integration.test_append import verify
from tests.order_commands import DAY
from tests.products import DECIDER, ChangeProduct, State
from tests.products import evolve as evolve_product


@pytest.fixture
def store(postgres: str) -> Iterator[PostgresEventStore]:
    made = PostgresEventStore(postgres, PRODUCTS)
    yield made
    made.close()


def counting(limit: int) -> tuple[Decider, Callable[[], int]]:
    """The decider, which counts how many events it evolves, and fails beyond `limit`."""
    count = 0

    def evolve(state: State | None, event: Any) -> State | None:
        nonlocal count
        count += 1
        assert count <= limit, "too many events were replayed"
        return evolve_product(state, event)

    return replace(DECIDER, evolve=evolve), lambda: count


def test_a_stream_of_a_hundred_thousand_events_answers_in_milliseconds_after_a_restart(
    store: PostgresEventStore,
) -> None:
    fill(store, 100_000)
    took = []
    for version in (100_001, 100_002, 100_003):
        began = time.perf_counter()
        [receipt] = change(store, 7)
        took.append(time.perf_counter() - began)
        assert receipt.version == version
    replayed, *quick = took
    assert min(quick) < replayed / 10
    assert min(quick) < 0.25
    assert (seen(store)["changes"], seen(store)["price"]) == (100_003, 7)
    verify(PRODUCTS, store.read(0, 200_000), store.head().digest)


def test_a_snapshot_is_taken_when_the_last_one_is_old_enough(store: PostgresEventStore) -> None:
    fill(store, EVERY - 2)
    change(store, 1)
    assert kept(store) is None
    change(store, 2)
    first = kept(store)
    assert first is not None
    assert first.version == EVERY
    fill(store, 1, "other")
    change(store, *range(EVERY - 1))
    assert kept(store) == first
    change(store, 3)
    assert getattr(kept(store), "version", 0) == 2 * EVERY


def test_only_the_events_after_the_snapshot_are_replayed(store: PostgresEventStore) -> None:
    fill(store, 3_000)
    change(store, 1)
    snapshot = kept(store)
    assert snapshot is not None
    assert snapshot.version == 3_001
    counted, count = counting(5)
    assert fingerprint(PRODUCTS, counted) != snapshot.fingerprint, "it is of another module"
    store.keep(sealed(msgspec.structs.replace(snapshot, fingerprint=fingerprint(PRODUCTS, counted))))
    change(store, 2, 3, decider=counted)
    assert count() == 2
    assert seen(store, decider=counted)["changes"] == 3_003
    with pytest.raises(Exception, match="too many events"):
        seen(store, 3_000, decider=counted)


def test_many_events_after_a_snapshot_are_read_in_pages(store: PostgresEventStore) -> None:
    fill(store, 1_000)
    change(store, 1)
    snapshot = kept(store)
    assert snapshot is not None
    fill_on = [ChangeProduct(product_id="p1", name="CD", price=n) for n in range(1_600)]

    async def at_once() -> None:
        handler = CommandHandler(PRODUCTS, replace(DECIDER, state=None), store)
        await handler.submit([Request(command, f"bulk-{n}") for n, command in enumerate(fill_on)])
        await handler.close()

    asyncio.run(at_once())
    assert kept(store) == snapshot
    change(store, 5)
    assert seen(store)["changes"] == 2_602
    assert getattr(kept(store), "version", 0) == 2_602


def forged(store: PostgresEventStore, **changes: Any) -> Snapshot:
    """A sealed snapshot at version 600 with a price that the stream never had, and whatever is changed."""
    [event] = [e for e in store.read(599, 1) if e.version == 600]
    state = State("p1", "CD", 424_242, False, 600, DAY)
    made = Snapshot("p1", 600, event.hash, fingerprint(PRODUCTS, DECIDER), b"", encode_state(state))
    return sealed(msgspec.structs.replace(made, **changes))


def refuse(state: State, _command: Any, _facts: Any) -> Any:
    raise Refused(f"the price is {state.price}")


def decided_on(store: PostgresEventStore, stream: str = "p1") -> str:
    """What a command is told of the state that it is decided on."""
    with pytest.raises(Refused) as caught:
        change(store, 1, decider=replace(DECIDER, decide=refuse), stream=stream)
    return caught.value.detail


def price(store: PostgresEventStore, version: int | None = None) -> int:
    return int(seen(store, version)["price"])


def test_a_snapshot_is_what_a_state_rests_on_from_its_version_on(store: PostgresEventStore) -> None:
    fill(store, 600)
    store.keep(forged(store))
    assert [price(store, version) for version in (599, 600)] == [599, 424_242]
    assert decided_on(store) == "the price is 424242"


@pytest.mark.parametrize(
    "changes",
    [
        {"hash": b"x" * 32},
        {"fingerprint": b"x" * 32},
        {"version": 599},
        {"version": 700},
        {"state": b"{}"},
        {"state": b"\xff"},
    ],
    ids=str,
)
def test_a_snapshot_of_another_history_or_other_code_is_not_used(
    store: PostgresEventStore, changes: dict[str, Any]
) -> None:
    fill(store, 600)
    store.keep(forged(store, **changes))
    assert (price(store), decided_on(store)) == (600, "the price is 600")
    change(store, 7)
    assert (price(store), seen(store)["changes"]) == (7, 601)


@pytest.mark.parametrize(
    "damage",
    [
        "state = convert_to(replace(convert_from(state, 'UTF8'), '424242', '777777'), 'UTF8')",
        "version = version - 1",
        "hash = overlay(hash placing '\\x00'::bytea from 1)",
        "checksum = checksum || checksum",
        "stream = 'p2'",
    ],
)
def test_an_altered_snapshot_is_not_used(store: PostgresEventStore, postgres: str, damage: str) -> None:
    fill(store, 600)
    fill(store, 600, "p2")
    store.keep(forged(store))
    connection = psycopg2.connect(postgres)
    with connection, connection.cursor() as cursor:
        cursor.execute(f"UPDATE snapshots SET {damage}")
    connection.close()
    assert price(store) == 600
    assert {decided_on(store), decided_on(store, "p2")} == {"the price is 600"}


def test_a_snapshot_never_replaces_a_newer_one_but_always_one_of_other_code(store: PostgresEventStore) -> None:
    fill(store, 600)
    store.keep(forged(store, version=700))
    store.keep(forged(store, version=600))
    assert getattr(kept(store), "version", 0) == 700
    later = replace(DECIDER, revision=2)
    store.keep(forged(store, version=500, fingerprint=fingerprint(PRODUCTS, later)))
    assert kept(store) is None
    assert getattr(kept(store, later), "version", 0) == 500


def test_whatever_snapshots_there_are_every_state_is_that_of_its_events(
    store: PostgresEventStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Short-lived processes with tiny caches and a snapshot every three events, of two versions of the code."""
    monkeypatch.setattr("producers.handling.snapshots.SNAPSHOT_EVERY", 3)
    monkeypatch.setattr("producers.store.postgres._LONGEST", 2)
    chance, model = random.Random(11), {f"s{n}": 0 for n in range(4)}
    for name in model:
        fill(store, 1, name)

    async def process(decider: Decider, number: int) -> None:
        handler = CommandHandler(PRODUCTS, decider, store, cache_size=2)
        for step in range(chance.randrange(1, 12)):
            stream = chance.choice(list(model))
            made = ChangeProduct(product_id=stream, name="CD", price=step)
            receipt = await handler.handle(Request(made, f"r{number}-{step}"))
            model[stream] += 1
            assert receipt.version == model[stream] + 1
        await handler.close()

    codes = [DECIDER, replace(DECIDER, revision=2)]
    for number in range(40):
        asyncio.run(process(chance.choice(codes), number))
        traveller = Traveller(PRODUCTS, chance.choice(codes), store)
        stream = chance.choice(list(model))
        version = chance.randrange(1, model[stream] + 2)
        state = msgspec.json.decode(traveller.at_version(stream, version).state)
        assert state["changes"] == version
    verify(PRODUCTS, store.read(0, 10_000), store.head().digest)
