"""The command handler decides the next batch while the store is at work on the one before."""

import asyncio
import dataclasses
import threading
from collections.abc import Sequence
from operator import itemgetter
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from producers import CommandHandler, MemoryEventStore, Receipt, Request
from producers.domains.orders import DECIDER, decide
from producers.handling.cache import StreamCache
from producers.handling.processing import Processor
from producers.handling.rounds import Result
from producers.handling.snapshots import Snapshots
from producers.store import Outcome, Write
from schemas import Command, HeadraceError, Unavailable
from schemas.orders import DOMAIN
from tests.order_commands import cancel, pay, place, ship

_SECONDS = 20.0


def processor(store: MemoryEventStore) -> Processor:
    return Processor(DOMAIN, DECIDER, store, StreamCache(100), Snapshots(DOMAIN, DECIDER, store))


def requests(name: str, commands: Sequence[Command]) -> list[Request]:
    return [Request(command, f"{name}-{number}") for number, command in enumerate(commands)]


def rules(results: Sequence[Result]) -> list[str]:
    return [result.rule if isinstance(result, HeadraceError) else "" for result in results]


def stored(store: MemoryEventStore) -> list[tuple[str, str]]:
    return [(event.stream, event.type) for event in store.read(0, 1000)]


def test_a_batch_builds_on_the_one_before_that_is_not_stored_yet() -> None:
    store = MemoryEventStore(DOMAIN)
    handling = processor(store)
    first = handling.begin(requests("a", [place(), place("o2")]))
    second = handling.begin(requests("b", [pay(), ship(), pay("o2", amount="1.00")]), first)
    assert rules(handling.finish(first)) == ["", ""]
    assert rules(handling.finish(second)) == ["", "", "amount-mismatch"]
    assert stored(store) == [("o1", "OrderPlaced"), ("o2", "OrderPlaced"), ("o1", "OrderPaid"), ("o1", "OrderShipped")]


@pytest.mark.parametrize("command", [ship(), pay()])
def test_what_rests_on_a_write_that_fell_is_decided_anew(command: Command) -> None:
    store = MemoryEventStore(DOMAIN)
    handling, rival = processor(store), processor(store)
    assert rules(handling.process(requests("placed", [place()]))) == [""]
    first = handling.begin(requests("a", [pay()]))
    second = handling.begin(requests("b", [command]), first)
    assert rules(rival.process(requests("rival", [cancel()]))) == [""]
    assert rules(handling.finish(first)) == ["order-cancelled"]
    assert rules(handling.finish(second)) == ["order-cancelled"]


_COMMANDS = st.builds(
    lambda make, order: make(order), st.sampled_from([place, pay, ship, cancel]), st.sampled_from(["o1", "o2"])
)
_BATCHES = st.lists(_COMMANDS, max_size=6)


@settings(deadline=None, max_examples=60)
@given(before=_BATCHES, one=_BATCHES, two=_BATCHES, three=_BATCHES)
def test_deciding_ahead_changes_nothing_of_what_is_answered_and_stored(
    before: list[Command], one: list[Command], two: list[Command], three: list[Command]
) -> None:
    ahead, plain = MemoryEventStore(DOMAIN), MemoryEventStore(DOMAIN)
    results = handled_ahead(ahead, before, [], one, two, three)
    serial = processor(plain)
    assert results == [
        rule
        for name, batch in named(before, [], one, two, three)
        for rule in rules(serial.process(requests(name, batch)))
    ]
    assert by_stream(ahead) == by_stream(plain)


@settings(deadline=None, max_examples=60)
@given(before=_BATCHES, rivals=_BATCHES, one=_BATCHES, two=_BATCHES, three=_BATCHES)
def test_with_rivals_what_was_accepted_is_what_a_single_handler_accepts_in_that_order(
    before: list[Command], rivals: list[Command], one: list[Command], two: list[Command], three: list[Command]
) -> None:
    ahead, plain = MemoryEventStore(DOMAIN), MemoryEventStore(DOMAIN)
    results = handled_ahead(ahead, before, rivals, one, two, three)
    asked = [command for _, batch in named(before, rivals, one, two, three) for command in batch]
    accepted = [command for command, rule in zip(asked, results, strict=True) if not rule]
    assert rules(processor(plain).process(requests("again", accepted))) == [""] * len(accepted)
    assert by_stream(ahead) == by_stream(plain)


def by_stream(store: MemoryEventStore) -> list[tuple[str, str]]:
    return sorted(stored(store), key=itemgetter(0))


def named(*batches: list[Command]) -> list[tuple[str, list[Command]]]:
    return [(str(number), batch) for number, batch in enumerate(batches)]


def handled_ahead(store: MemoryEventStore, *batches: list[Command]) -> list[str]:
    """The rules by which five batches are refused: one before, one of a rival in the middle, and three in a row."""
    before, rivals, one, two, three = [requests(name, batch) for name, batch in named(*batches)]
    handling = processor(store)
    results = handling.process(before)
    first = handling.begin(one)
    second = handling.begin(two, first)
    results += processor(store).process(rivals) + handling.finish(first)
    third = handling.begin(three, second)
    return rules(results + handling.finish(second) + handling.finish(third))


class SlowStore(MemoryEventStore):
    """Ends an append only when `goes_on` is set."""

    def __init__(self) -> None:
        super().__init__(DOMAIN)
        self.goes_on = threading.Event()
        self.failing = 0

    def append(self, writes: Sequence[Write]) -> list[Outcome]:
        assert self.goes_on.wait(_SECONDS), "the next batch was not decided meanwhile"
        if self.failing:
            self.failing -= 1
            raise Unavailable("down", retry_after=0.01)
        return super().append(writes)


def _handled(store: SlowStore, upto: str) -> list[Result]:
    """The results of 3000 orders, placed at once, when the store goes on as soon as the order `upto` is decided."""

    def watched(state: Any, command: Any, facts: Any) -> Any:
        if command.order_id == upto:
            store.goes_on.set()
        return decide(state, command, facts)

    async def main() -> list[Result]:
        handler = CommandHandler(DOMAIN, dataclasses.replace(DECIDER, decide=watched), store)
        orders = requests("place", [place(f"o{number}") for number in range(3000)])
        parts = [handler.submit(orders[at : at + 100], patience=_SECONDS) for at in range(0, 3000, 100)]
        results = [result for part in parts for result in await part]
        await handler.close()
        return results

    return asyncio.run(main())


def test_the_next_batch_is_decided_while_the_store_is_at_work() -> None:
    store = SlowStore()
    assert rules(_handled(store, "o2999")) == [""] * 3000


@pytest.mark.parametrize("failing", [1, 3])
def test_a_store_that_fails_meanwhile_loses_and_doubles_nothing_and_keeps_the_order(failing: int) -> None:
    store = SlowStore()
    store.failing = failing
    results = _handled(store, "o2999")
    assert [result.last_position for result in results if isinstance(result, Receipt)] == list(range(1, 3001))
    assert [event.stream for event in store.read(0, 5000)] == [f"o{number}" for number in range(3000)]
