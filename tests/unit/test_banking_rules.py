"""The rules of the bank: given these commands before, when this one comes, then these events or this refusal."""

from collections import Counter
from datetime import timedelta
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from producers import MemoryEventStore
from schemas import Command, Event, Money
from schemas.banking import (
    DOMAIN,
    AccountClosed,
    ChangeLimit,
    CloseAccount,
    Deposit,
    HoldCaptured,
    HoldReleased,
    LimitChanged,
    OpenAccount,
    ReleaseHold,
    TransferReceived,
    TransferSent,
    Withdraw,
)
from tests.bank import NOON, asked, capture, checked, deposit, happened, hold, opened, transfer, usd, withdraw

A, B = opened("a", 10), opened("b", holder="bob")


def events_of(*commands: Command) -> list[Event]:
    """The events of commands that must all be accepted, the books checked after each."""
    store = MemoryEventStore(DOMAIN)
    assert asked(store, commands) == [""] * len(commands)
    events = happened(store)
    checked(events)
    return events


def test_a_transfer_is_one_append_to_two_accounts() -> None:
    *_, sent, received = events_of(A, B, deposit("a", 5), transfer("a", "b", "15.00"))
    at = sent.at  # type: ignore[attr-defined]
    fields = {"transfer_id": "t1", "amount": usd("15.00"), "reference": "transfer", "at": at}
    assert sent == TransferSent(account_id="a", to_account="b", **fields)
    assert received == TransferReceived(account_id="b", from_account="a", **fields)


def test_a_hold_stays_in_the_balance_and_is_captured_in_part() -> None:
    *_, captured, _, _ = events_of(A, B, deposit("a", 20), hold("a", 25), capture("a", "b", 5), withdraw("a", 25))
    assert isinstance(captured, HoldCaptured)
    assert (captured.held, captured.amount) == (usd(25), usd(5))


def test_a_hold_without_an_amount_is_captured_whole_and_a_released_one_pays_nothing() -> None:
    events = events_of(
        A, B, hold("a", 4), hold("a", 3, "h2"), capture("a", "b"), ReleaseHold(account_id="a", hold_id="h2")
    )
    books = checked(events)
    assert [books.balances["a"], books.balances["b"], books.holds["a"]] == [Decimal(-4), Decimal(4), Decimal(0)]
    assert isinstance(events[-1], HoldReleased)
    assert events[-1].amount == usd(3)


def test_a_limit_is_changed_down_to_what_is_used_and_the_same_limit_changes_nothing() -> None:
    down, same = (ChangeLimit(account_id="a", limit=usd(7)) for _ in range(2))
    events = events_of(A, withdraw("a", 7), down, same)
    assert [type(event) for event in events[2:]] == [LimitChanged]


def test_an_account_with_nothing_is_closed() -> None:
    assert isinstance(events_of(A, deposit("a", 1), withdraw("a", 1), CloseAccount(account_id="a"))[-1], AccountClosed)


def test_a_command_without_a_date_follows_the_last_event_of_both_accounts() -> None:
    ahead = NOON + timedelta(days=365_000)
    late = Deposit(account_id="b", amount=usd(1), at=ahead)
    *_, sent, received = events_of(A, B, late, transfer("a", "b", 1))
    assert sent.at == received.at == ahead  # type: ignore[attr-defined]


EUR = Money(Decimal(1), "EUR")
EARLY = NOON - timedelta(seconds=1)
CLOSED = (A, B, CloseAccount(account_id="b"))
REFUSALS: list[tuple[tuple[Command, ...], Command, str]] = [
    ((A,), A, "account-already-opened"),
    (CLOSED, B, "account-already-opened"),
    ((), opened("cash:USD"), "reserved-name"),
    ((), opened("transit:USD"), "reserved-name"),
    ((), OpenAccount(account_id="a", holder_id="h", currency="USD", limit=EUR), "currency-mismatch"),
    ((), deposit("a", 1), "unknown-account"),
    ((), withdraw("a", 1), "unknown-account"),
    ((B,), transfer("a", "b", 1), "unknown-account"),
    ((A,), transfer("a", "b", 1), "unknown-account"),
    ((), hold("a", 1), "unknown-account"),
    ((), CloseAccount(account_id="a"), "unknown-account"),
    ((A,), deposit("a", 0), "amount-of-nothing"),
    ((A,), Deposit(account_id="a", amount=EUR), "currency-mismatch"),
    ((A,), Withdraw(account_id="a", amount=EUR), "currency-mismatch"),
    ((A,), ChangeLimit(account_id="a", limit=EUR), "currency-mismatch"),
    ((A, opened("b", 0, "EUR")), transfer("a", "b", 1), "currency-mismatch"),
    ((A,), withdraw("a", "10.01"), "not-enough-available"),
    ((A, B), transfer("a", "b", "10.01"), "not-enough-available"),
    ((A,), hold("a", "10.01"), "not-enough-available"),
    ((A, hold("a", 8)), withdraw("a", 3), "not-enough-available"),
    ((A,), transfer("a", "a", 1), "same-account"),
    ((A, B, transfer("a", "b", 1)), transfer("a", "b", 1), "transfer-already-made"),
    ((A, hold("a", 1)), hold("a", 1), "hold-already-placed"),
    ((A, B, hold("a", 1), capture("a", "b")), hold("a", 1), "hold-already-placed"),
    ((A, B), capture("a", "b"), "unknown-hold"),
    ((A, B, hold("a", 1), capture("a", "b")), capture("a", "b"), "unknown-hold"),
    ((A, B, hold("a", 1)), capture("a", "b", 2), "more-than-held"),
    ((A, B, hold("a", 1)), capture("a", "b", 0), "amount-of-nothing"),
    ((A,), ReleaseHold(account_id="a", hold_id="h1"), "unknown-hold"),
    ((A, withdraw("a", 8)), ChangeLimit(account_id="a", limit=usd(7)), "limit-in-use"),
    ((A, hold("a", 8)), ChangeLimit(account_id="a", limit=usd(7)), "limit-in-use"),
    ((A, deposit("a", 1)), CloseAccount(account_id="a"), "balance-not-nothing"),
    ((A, withdraw("a", 1)), CloseAccount(account_id="a"), "balance-not-nothing"),
    ((A, hold("a", 1)), CloseAccount(account_id="a"), "holds-open"),
    (CLOSED, deposit("b", 1), "account-closed"),
    (CLOSED, transfer("a", "b", 1), "account-closed"),
    (CLOSED, CloseAccount(account_id="b"), "account-closed"),
    ((A,), Deposit(account_id="a", amount=usd(1), at=EARLY), "date-goes-back"),
]


@pytest.mark.parametrize(("before", "command", "rule"), REFUSALS)
def test_the_command_is_refused(before: tuple[Command, ...], command: Command, rule: str) -> None:
    store = MemoryEventStore(DOMAIN)
    assert asked(store, before) == [""] * len(before)
    position = store.head().position
    assert asked(store, [command]) == [rule]
    assert store.head().position == position


NAMES, AMOUNTS, HOLDS = st.sampled_from("abc"), st.integers(1, 30), st.sampled_from(["h1", "h2", "h3"])
COMMANDS = st.one_of(
    st.builds(deposit, NAMES, AMOUNTS),
    st.builds(withdraw, NAMES, AMOUNTS),
    st.builds(transfer, NAMES, NAMES, AMOUNTS, st.uuids().map(str)),
    st.builds(hold, NAMES, AMOUNTS, HOLDS),
    st.builds(capture, NAMES, NAMES, st.none() | AMOUNTS, HOLDS),
    st.builds(lambda name, held: ReleaseHold(account_id=name, hold_id=held), NAMES, HOLDS),
    st.builds(lambda name, limit: ChangeLimit(account_id=name, limit=usd(limit)), NAMES, AMOUNTS),
    st.builds(lambda name: CloseAccount(account_id=name), NAMES),
)


@settings(max_examples=100, deadline=None)
@given(st.lists(COMMANDS, max_size=40))
def test_the_books_balance_after_every_event_and_no_account_is_beyond_its_limit(commands: list[Command]) -> None:
    store = MemoryEventStore(DOMAIN)
    before = [opened("a", 20), opened("b"), opened("c", 5)]
    asked(store, [*before, *commands])
    events = happened(store)
    books = checked(events)
    kinds = Counter(type(event) for event in events)
    assert kinds[TransferSent] + kinds[HoldCaptured] == kinds[TransferReceived]
    for event in events:
        if isinstance(event, AccountClosed):
            assert books.balances[event.account_id] == 0
