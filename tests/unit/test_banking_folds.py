"""The folds of the bank: given what happened, then what the rows say."""

from decimal import Decimal
from random import Random
from typing import Any

import pytest
from hypothesis import given as for_all
from hypothesis import settings
from hypothesis import strategies as st

from producers import MemoryEventStore
from schemas import Command, event_decoder
from schemas.banking import DOMAIN, Account, AccountOpened, CloseAccount, ReleaseHold
from streams.kit import Given, given, on
from tests.bank import NOON, asked, capture, checked, deposit, happened, hold, opened, transfer, usd, withdraw


def history(*commands: Command) -> Given:
    """What happened at the bank when all these commands were accepted."""
    store = MemoryEventStore(DOMAIN)
    assert asked(store, commands) == [""] * len(commands)
    decode = event_decoder(DOMAIN).decode
    return given(DOMAIN, *[on(e.stream, decode(e.data)) for e in store.read(0, store.head().position)])


BEFORE = (opened("a", 10), opened("b", holder="bob"), opened("c"), deposit("a", 100), deposit("c", 7))


def test_an_account_has_its_balance_what_is_held_and_what_came_and_went() -> None:
    rows = history(*BEFORE, transfer("a", "b", 30), hold("a", 20), withdraw("a", 5)).table("accounts")
    account = rows["a"]
    assert isinstance(account, Account)
    said = [account.balance, account.held, account.limit, account.turnover_in, account.turnover_out, account.entries]
    assert said == [Decimal(each) for each in (65, 20, 10, 100, 35, 3)]
    assert (rows["b"].balance, rows["b"].turnover_in, rows["b"].holder_id) == (30, 30, "bob")


def test_a_holder_has_what_is_on_all_accounts() -> None:
    rows = history(*BEFORE, transfer("a", "b", 30), withdraw("c", 7), CloseAccount(account_id="c")).table("holders")
    assert (rows["ann"].balances, rows["ann"].opened, rows["ann"].closed) == ({"USD": Decimal(70)}, 2, 1)
    assert rows["bob"].balances == {"USD": Decimal(30)}


def test_a_hold_is_open_until_it_is_captured_or_released() -> None:
    ended = (capture("a", "b", 3), ReleaseHold(account_id="a", hold_id="h2"))
    made = history(*BEFORE, hold("a", 4), hold("a", 5, "h2"), hold("a", 6, "h3"), *ended)
    rows, account = made.table("holds"), made.table("accounts")["a"]
    assert [(rows[f"a/h{n}"].status, rows[f"a/h{n}"].captured) for n in (1, 2, 3)] == [
        ("captured", 3),
        ("released", 0),
        ("open", 0),
    ]
    assert [account.held, account.balance] == [Decimal(6), Decimal(97)]


def test_an_event_of_an_account_that_was_never_opened_holds_its_key() -> None:
    [event] = [e for e in history(*BEFORE).events if e.type == "Deposited" and e.subject == "c"]
    assert given(DOMAIN, on("x", event.data)).held == {"x": "LookupError: Deposited of x before it was opened"}


def test_an_account_is_not_opened_twice() -> None:
    twice = AccountOpened(account_id="a", holder_id="ann", currency="USD", limit=usd(0), at=NOON)
    assert given(DOMAIN, on("a", twice, twice)).held == {"ann": "ValueError: a was opened twice"}


STEPS: Any = st.lists(
    st.one_of(
        st.builds(deposit, st.sampled_from("abc"), st.integers(1, 50)),
        st.builds(withdraw, st.sampled_from("abc"), st.integers(1, 50)),
        st.builds(transfer, st.sampled_from("abc"), st.sampled_from("abc"), st.integers(1, 50), st.uuids().map(str)),
        st.builds(hold, st.sampled_from("abc"), st.integers(1, 50), st.uuids().map(str)),
    ),
    max_size=40,
)


@settings(max_examples=40, deadline=None)
@for_all(commands=STEPS, random=st.randoms(use_true_random=False))
def test_the_rows_are_the_books_however_the_records_come(commands: list[Command], random: Random) -> None:
    store = MemoryEventStore(DOMAIN)
    asked(store, [*BEFORE, *commands])
    decode = event_decoder(DOMAIN).decode
    stored = list(store.read(0, store.head().position))
    made = given(DOMAIN, *[on(e.stream, decode(e.data)) for e in stored])
    assert made.folded(random) == made.folded()
    books = checked(happened(store))
    rows = made.table("accounts")
    assert {name: row.balance for name, row in rows.items()} == {name: books.balances[name] for name in rows}
    assert {name: row.held for name, row in rows.items()} == {name: books.holds[name] for name in rows}


@pytest.mark.parametrize("field", ["turnover_in", "turnover_out"])
def test_turnover_only_grows(field: str) -> None:
    one, two = (history(*BEFORE, *more).table("accounts")["a"] for more in ((), (withdraw("a", 1), deposit("a", 1))))
    assert getattr(two, field) == getattr(one, field) + 1
