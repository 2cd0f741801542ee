"""The test kit: tables of given events, the errors of folds, and folds that do not give the same everywhere."""

from dataclasses import replace
from itertools import count
from random import Random
from typing import Any

import pytest
from hypothesis import given as for_all
from hypothesis import settings
from hypothesis import strategies as st

from schemas import discover, envelope_decoder
from streams.domains.orders import FOLDS
from streams.kit import Given, given, on
from tests.integration.order_source import Source

ORDERS = discover()["orders"]


def orders(seed: int, amount: int, folds: Any = None) -> Given:
    """A history of orders that were placed, paid, shipped, delivered or cancelled."""
    decode = envelope_decoder(ORDERS).decode
    envelopes = [decode(value) for _, value in Source(seed=seed, customers=4).events(amount)]
    return given(ORDERS, *[on(envelope.subject, envelope.data) for envelope in envelopes], folds=folds)


def test_the_tables_of_given_orders_are_those_of_the_ledger() -> None:
    source = Source(seed=3, customers=4)
    list(source.events(200))
    history = orders(3, 200)
    assert {key: row.status for key, row in history.table("orders").items()} == source.ledger.status
    assert {event.partitionkey for event in history.events} == set(history.table("customers"))
    assert history.held == {}


@settings(max_examples=40, deadline=None)
@for_all(seed=st.integers(0, 1000), amount=st.integers(0, 80), random=st.randoms(use_true_random=False))
def test_orders_are_folded_to_the_same_bytes_however_their_records_come(seed: int, amount: int, random: Random) -> None:
    history = orders(seed, amount)
    assert history.folded(random) == history.folded()


def test_an_event_that_cannot_be_folded_fails_the_test_with_the_error_of_the_fold() -> None:
    first = orders(1, 1).events[0]
    paid = next(e.data for e in orders(1, 50).events if e.type == "OrderPaid")
    history = given(ORDERS, on(first.subject, first.data), on("never-placed", paid))
    assert history.held == {"never-placed": "LookupError: OrderPaid of never-placed before its first event"}
    with pytest.raises(AssertionError, match="OrderPaid of never-placed before its first event"):
        history.table("orders")


def test_a_fold_that_depends_on_anything_but_its_events_is_found_out() -> None:
    calls = count()

    def counting(value: Any, event: Any, envelope: Any) -> Any:
        return FOLDS[1].fold(value, event, envelope) if next(calls) % 7 else value

    history = orders(1, 60, (FOLDS[0], replace(FOLDS[1], fold=counting), FOLDS[2]))
    expected = history.folded()
    assert any(history.folded(Random(seed)) != expected for seed in range(5))
