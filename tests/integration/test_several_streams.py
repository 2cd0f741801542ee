"""Commands on several streams and on looked-up facts, over the event store in memory and in Postgres."""

import asyncio
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime

import pytest

from producers import (
    CommandHandler,
    Decider,
    EventStore,
    Facts,
    Guard,
    MemoryEventStore,
    Needs,
    On,
    PostgresEventStore,
    Receipt,
    Request,
)
from producers.handling.rounds import Result
from producers.store import Outcome, Write
from schemas import Command, Domain, Event, HeadraceError, Refused


class Deposit(Command, frozen=True):
    account: str
    amount: int


class Transfer(Command, frozen=True):
    account: str
    to: str
    amount: int


class Register(Command, frozen=True):
    """Open an account under a name that nobody else has, while the bank has fewer than three."""

    account: str
    name: str


class Moved(Event, frozen=True):
    account: str
    amount: int


def decide(state: int | None, command: Command, facts: Facts) -> tuple[Event | On, ...]:
    match command:
        case Deposit():
            return (Moved(command.account, command.amount),)
        case Transfer():
            if (state or 0) < command.amount:
                raise Refused(f"{command.account} has {state}", rule="not-enough")
            if facts.streams[command.to] is None:
                raise Refused(f"{command.to} is no account", rule="no-account")
            return (On(command.to, Moved(command.to, command.amount)), Moved(command.account, -command.amount))
        case Register():
            if facts.counters["accounts"] >= 3:
                raise Refused("the bank is full", rule="full")
            if command.name in facts.claims:
                raise Refused("the name is taken", rule="taken")
            return (Moved(command.account, 0),)
    raise TypeError(command)


def needs(command: Command) -> Needs:
    match command:
        case Transfer():
            return Needs(streams=(command.to,))
        case Register():
            return Needs(counters=("accounts",), claims=(command.name,))
    return Needs()


def guards(_state: int | None, command: Command, _facts: Facts) -> tuple[Guard, ...]:
    if isinstance(command, Register):
        return (Guard("counter", "accounts", 1), Guard("claim", command.name, rule="taken"))
    return ()


BANK = Domain(
    name="bank",
    commands=(Deposit, Transfer, Register),
    events=(Moved,),
    aggregates=(),
    stream_of=lambda command: command.account,
    event_time=lambda _: datetime(2026, 1, 1, tzinfo=UTC),
)
DECIDER = Decider(decide, lambda state, event: (state or 0) + event.amount, needs, guards)


@pytest.fixture(params=["memory", "postgres"])
def store(request: pytest.FixtureRequest) -> Iterator[EventStore]:
    if request.param == "memory":
        yield MemoryEventStore(BANK)
        return
    postgres = PostgresEventStore(request.getfixturevalue("postgres"), BANK)
    yield postgres
    postgres.close()


def handle(store: EventStore, *commands: Command | Request, decider: Decider = DECIDER) -> list[Result]:
    async def main() -> list[Result]:
        handler = CommandHandler(BANK, decider, store)
        try:
            start = store.head().position
            asked = [c if isinstance(c, Request) else Request(c, f"c{start}-{n}") for n, c in enumerate(commands)]
            return await handler.submit(asked)
        finally:
            await handler.close()

    return asyncio.run(main())


def rules(results: Sequence[Result]) -> list[str]:
    return [result.rule if isinstance(result, HeadraceError) else "" for result in results]


def balances(store: EventStore) -> dict[str, int]:
    found: dict[str, int] = {}
    for event in store.read(0, 10_000):
        amount = int(event.data.rpartition(b":")[2].rstrip(b"}"))
        found[event.stream] = found.get(event.stream, 0) + amount
    return found


def test_a_transfer_writes_both_streams_in_one_command(store: EventStore) -> None:
    results = handle(store, Deposit("a", 10), Deposit("b", 0), Transfer("a", "b", 7), Transfer("b", "a", 2))
    assert rules(results) == [""] * 4
    assert balances(store) == {"a": 5, "b": 5}
    receipt = results[2]
    assert isinstance(receipt, Receipt)
    assert (receipt.stream, receipt.version) == ("a", 2)
    assert (receipt.first_position, receipt.last_position) == (3, 4)
    events = store.read(2, 2)
    assert [(event.stream, event.id) for event in events] == [("a", "c0-2:1"), ("b", "c0-2:2")]


def test_a_refused_command_writes_none_of_its_streams(store: EventStore) -> None:
    results = handle(store, Deposit("a", 10), Transfer("a", "nobody", 1), Deposit("b", 0), Transfer("a", "b", 11))
    assert rules(results) == ["", "no-account", "", "not-enough"]
    assert balances(store) == {"a": 10, "b": 0}


def test_a_retried_transfer_gets_its_first_answer_and_moves_nothing(store: EventStore) -> None:
    first = handle(store, Deposit("a", 10), Deposit("b", 0), Request(Transfer("a", "b", 7), "move"))[2]
    again = handle(store, Request(Transfer("a", "b", 7), "move"))[0]
    assert isinstance(first, Receipt)
    assert isinstance(again, Receipt)
    assert (again.version, again.event_ids, again.token) == (first.version, first.event_ids, first.token)
    assert again.repeated
    assert balances(store) == {"a": 3, "b": 7}


def test_versions_may_be_expected_of_each_stream(store: EventStore) -> None:
    handle(store, Deposit("a", 10), Deposit("b", 0))

    def transfer(versions: dict[str, int]) -> list[str]:
        return rules(handle(store, Request(Transfer("a", "b", 1), f"with {versions}", expected_versions=versions)))

    assert transfer({"a": 1, "b": 2}) == ["expected-version"]
    assert transfer({"a": 1, "c": 1}) == ["expected-version"]
    assert transfer({"a": 1, "b": 1, "c": 0}) == [""]
    assert transfer({"b": 1}) == ["expected-version"]


def test_a_stream_outside_the_needs_is_a_mistake_of_the_rules(
    store: EventStore, caplog: pytest.LogCaptureFixture
) -> None:
    wrong = Decider(lambda _s, c, _f: (On("elsewhere", Moved("x", c.amount)),), DECIDER.evolve)
    assert rules(handle(store, Deposit("a", 1), decider=wrong)) == ["decider-failed"]
    assert "not among the needs" in caplog.text
    assert store.head().position == 0


def test_facts_are_those_after_the_commands_before_in_the_batch(store: EventStore) -> None:
    results = handle(store, Register("a", "ann"), Register("b", "ann"), Register("b", "bob"))
    assert rules(results) == ["", "taken", ""]
    assert rules(handle(store, Register("c", "bob"), Register("c", "cat"), Register("d", "dan"))) == [
        "taken",
        "",
        "full",
    ]


class Meddled(MemoryEventStore):
    """Another process acts between the look-up and the first append."""

    def __init__(self) -> None:
        super().__init__(BANK)
        self.meddling: list[Command] = []

    def append(self, writes: Sequence[Write]) -> list[Outcome]:
        if self.meddling and writes:
            command, self.meddling = self.meddling[0], self.meddling[1:]
            handle(self, Request(command, f"meddling {len(self.meddling)}"))
        return super().append(writes)


def test_a_decision_on_a_stream_that_was_read_and_moved_is_made_anew() -> None:
    store = Meddled()
    handle(store, Deposit("a", 10), Deposit("b", 0))
    store.meddling = [Deposit("b", 5), Transfer("a", "b", 8)]
    assert rules(handle(store, Transfer("a", "b", 7))) == ["not-enough"]
    assert balances(store) == {"a": 2, "b": 13}


@pytest.mark.parametrize(
    "decider", [DECIDER, Decider(decide, DECIDER.evolve, needs)], ids=["moves it", "only reads it"]
)
def test_a_decision_on_a_counter_that_moved_is_made_anew(decider: Decider) -> None:
    store = Meddled()
    handle(store, Register("a", "ann"), Register("b", "bob"))
    store.meddling = [Register("c", "cat")]
    assert rules(handle(store, Register("d", "dan"), decider=decider)) == ["full"]
    assert set(balances(store)) == {"a", "b", "c"}
