"""The command handler over the event store in memory: deciding, retries, versions."""

import asyncio
import dataclasses
from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta
from typing import Any

import pytest

from producers import CommandHandler, Decider, EventStore, MemoryEventStore, Receipt, Request
from producers.domains.orders import DECIDER, decide, evolve
from producers.handling.rounds import Result
from producers.store import Outcome, Write
from schemas import Command, Conflict, Domain, HeadraceError, Invalid, NotFound, TooLarge, VersionMismatch
from schemas.orders import DOMAIN, CancelOrder
from tests.order_commands import DAY, cancel, deliver, pay, place, ship


class CountingStore(MemoryEventStore):
    """Knows how many writes each append had."""

    def __init__(self, domain: Domain) -> None:
        super().__init__(domain)
        self.appends: list[int] = []

    def append(self, writes: Sequence[Write]) -> list[Outcome]:
        self.appends.append(len(writes))
        return super().append(writes)


@pytest.fixture
def store() -> CountingStore:
    return CountingStore(DOMAIN)


def run(
    store: EventStore,
    scenario: Callable[[CommandHandler], Awaitable[Any]],
    *,
    decider: Decider = DECIDER,
    domain: Domain = DOMAIN,
    cache_size: int = 1000,
) -> Any:
    """What `scenario` answers, given a fresh handler over `store`."""

    async def main() -> Any:
        handler = CommandHandler(domain, decider, store, cache_size=cache_size)
        try:
            return await scenario(handler)
        finally:
            await handler.close()

    return asyncio.run(main())


def handle(store: EventStore, *requests: Request | Command, **options: Any) -> list[Result]:
    """The results of one submission to a fresh handler."""
    asked = [r if isinstance(r, Request) else Request(r, f"id-{n}", True) for n, r in enumerate(requests)]

    async def scenario(handler: CommandHandler) -> list[Result]:
        return await handler.submit(asked)

    found: list[Result] = run(store, scenario, **options)
    return found


def rules(results: Sequence[Result]) -> list[str]:
    return [result.rule if isinstance(result, HeadraceError) else "" for result in results]


def test_a_receipt_tells_where_the_events_of_the_command_are(store: CountingStore) -> None:
    handle(store, place("before"))
    [receipt] = handle(store, Request(place(), "my-command"))
    assert receipt == Receipt(
        command_id="my-command",
        stream="o1",
        version=1,
        token="orders:2",
        event_ids=("my-command:1",),
        first_position=2,
        last_position=2,
    )


def test_commands_on_one_stream_in_one_batch_build_on_each_other(store: CountingStore) -> None:
    results = handle(store, place(), pay(), place("o2"), ship(), deliver())
    assert rules(results) == [""] * 5
    assert store.appends == [5]
    assert [event.type for event in store.read(0, 10) if event.stream == "o1"] == [
        "OrderPlaced",
        "OrderPaid",
        "OrderShipped",
        "OrderDelivered",
    ]


def test_a_refused_command_in_the_middle_leaves_the_others_alone(store: CountingStore) -> None:
    results = handle(store, place(), pay(amount="1.00"), pay(), pay(), ship("unknown"), ship())
    assert rules(results) == ["", "amount-mismatch", "", "order-already-paid", "order-not-placed", ""]
    assert isinstance(results[4], NotFound)
    assert [event.type for event in store.read(0, 10)] == ["OrderPlaced", "OrderPaid", "OrderShipped"]


def test_commands_that_arrive_during_a_commit_go_into_the_next_one(store: CountingStore) -> None:
    async def scenario(handler: CommandHandler) -> None:
        await asyncio.gather(*(handler.handle(Request(place(f"o{n}"), f"id-{n}")) for n in range(500)))

    run(store, scenario)
    assert sum(store.appends) == 500
    assert len(store.appends) <= 3


def test_what_another_process_did_meanwhile_counts_for_refusals_and_for_acceptance(store: CountingStore) -> None:
    async def scenario(handler: CommandHandler) -> list[Result]:
        await handler.submit([Request(place(), "a"), Request(place("o2"), "b")])
        others = await asyncio.to_thread(handle, store, pay(), cancel("o2"))
        assert rules(others) == ["", ""]
        commands = (ship(), pay(), pay("o2"), deliver())
        return await handler.submit([Request(command, f"c{n}") for n, command in enumerate(commands)])

    assert rules(run(store, scenario)) == ["", "order-already-paid", "order-cancelled", ""]


def test_two_processes_that_pay_one_order_at_once_pay_it_once(store: CountingStore) -> None:
    async def scenario(first: CommandHandler) -> list[Any]:
        second = CommandHandler(DOMAIN, DECIDER, store)
        await first.submit([Request(place(), "placed")])
        results = await asyncio.gather(
            *(
                h.handle(Request(pay(), f"pay-{n}"))
                for n in range(10)
                for h in (first, second)
                if n % 2 == (h is second)
            ),
            return_exceptions=True,
        )
        await second.close()
        return results

    results = run(store, scenario)
    assert sorted(rules(results)) == [""] + ["order-already-paid"] * 9
    assert [event.type for event in store.read(0, 10)] == ["OrderPlaced", "OrderPaid"]


def test_an_expected_version_must_be_the_streams_version(store: CountingStore) -> None:
    results = handle(
        store,
        Request(place(), "a", expected_version=0),
        Request(pay(), "b", expected_version=0),
        Request(pay(), "c", expected_version=1),
        Request(ship(), "d", expected_version=1),
    )
    assert rules(results) == ["", "expected-version", "", "expected-version"]
    assert isinstance(results[1], VersionMismatch)
    assert "version 1, not 0" in results[1].detail


def test_an_expected_version_is_compared_with_the_store_and_not_with_the_cache(store: CountingStore) -> None:
    async def scenario(handler: CommandHandler) -> list[Result]:
        await handler.submit([Request(place(), "a")])
        await asyncio.to_thread(handle, store, pay())
        return await handler.submit([Request(ship(), id_, expected_version=2) for id_ in ("b", "c")])

    assert rules(run(store, scenario)) == ["", "expected-version"]


def test_a_retry_gets_the_first_answer_although_it_would_be_refused_now(store: CountingStore) -> None:
    [first] = handle(store, Request(place(), "mine", expected_version=0))
    handle(store, pay(), ship())
    for _ in range(2):
        [again] = handle(store, Request(place(), "mine", expected_version=0))
        assert isinstance(again, Receipt)
        assert again.repeated is True
        assert isinstance(first, Receipt)
        assert (again.event_ids, again.version, again.token) == (first.event_ids, first.version, first.token)
    assert store.head().position == 3


def test_a_retry_in_the_same_batch_gets_the_first_answer(store: CountingStore) -> None:
    results = handle(
        store, Request(place(), "mine"), Request(place(), "mine"), Request(pay(), "p"), Request(pay(), "p")
    )
    assert rules(results) == [""] * 4
    assert [r.version for r in results if isinstance(r, Receipt)] == [1, 1, 2, 2]
    assert store.head().position == 2


@pytest.mark.parametrize("other", [place("o2"), place(amount="11.00"), pay()])
def test_a_used_id_with_another_body_is_invalid(store: CountingStore, other: Command) -> None:
    handle(store, Request(place(), "mine"))
    [result] = handle(store, Request(other, "mine"))
    assert isinstance(result, Invalid)
    assert (result.rule, result.field) == ("idempotency-key-reused", "id")
    assert store.head().position == 1


def test_a_refused_id_may_be_used_again(store: CountingStore) -> None:
    [refused] = handle(store, Request(pay(), "mine"))
    assert isinstance(refused, NotFound)
    handle(store, place())
    assert rules(handle(store, Request(pay(), "mine"))) == [""]


def test_streams_that_fell_out_of_the_cache_are_loaded_again(store: CountingStore) -> None:
    async def scenario(handler: CommandHandler) -> list[Result]:
        results = []
        for step in (place, pay, ship, deliver):
            for n in range(5):
                results += await handler.submit([Request(step(f"o{n}"), f"{step.__name__}-{n}")])
        return results

    assert rules(run(store, scenario, cache_size=2)) == [""] * 20


def test_a_mistake_in_the_rules_fails_its_command_alone(store: CountingStore, caplog: pytest.LogCaptureFixture) -> None:
    def mistaken(state: Any, command: Any, facts: Any) -> Any:
        if isinstance(command, CancelOrder):
            raise KeyError("reason")
        return decide(state, command, facts)

    results = handle(store, place(), cancel(), place("o2"), decider=Decider(mistaken, evolve))
    assert rules(results) == ["", "decider-failed", ""]
    assert "deciding CancelOrder failed" in caplog.text


def test_a_stream_that_cannot_be_loaded_fails_alone(store: CountingStore, caplog: pytest.LogCaptureFixture) -> None:
    handle(store, place(), place("o2"))

    def forgetful(state: Any, event: Any) -> Any:
        if event.order_id == "o2":
            raise ValueError("cannot evolve")
        return evolve(state, event)

    results = handle(store, pay(), pay("o2"), decider=Decider(decide, forgetful))
    assert rules(results) == ["", "unreadable-stream"]
    assert "stream o2" in caplog.text


def test_a_name_that_later_stages_reserve_is_refused(store: CountingStore) -> None:
    reserved = dataclasses.replace(DOMAIN, partition_by=lambda event: "~" + event.customer_id)
    unusable = dataclasses.replace(DOMAIN, partition_by=lambda event: f'"{event.customer_id}"')
    assert rules(handle(store, place(), domain=reserved)) == ["reserved-name"]
    assert rules(handle(store, place(), domain=unusable)) == ["unusable-name"]
    assert store.head().position == 0


def test_an_event_that_is_too_large_is_refused(store: CountingStore) -> None:
    command = CancelOrder(order_id="o1", reason="x" * 900_001, at=DAY + timedelta(hours=1))
    [placed, refused] = handle(store, place(), command)
    assert isinstance(placed, Receipt)
    assert isinstance(refused, TooLarge)
    assert refused.rule == "event-too-large"


class ContestedStore(MemoryEventStore):
    """Someone else is always faster: every append of a payment is a conflict."""

    def append(self, writes: Sequence[Write]) -> list[Outcome]:
        if any(event.type == "OrderPaid" for write in writes for event in write.events):
            return [Outcome("conflict") for _ in writes]
        return super().append(writes)


def test_a_command_that_never_wins_ends_with_a_conflict() -> None:
    [placed, paid] = [handle(contested := ContestedStore(DOMAIN), place()), handle(contested, pay())]
    assert rules(placed) == [""]
    assert isinstance(paid[0], Conflict)
    assert paid[0].rule == "contended-stream"
