"""The rules of an order book: given the orders that came, when a command comes, then what is traded and what waits."""

from datetime import timedelta

import pytest

from producers.domains.trading import DECIDER
from schemas import Command, HeadraceError, NotFound, Refused
from schemas.trading import DOMAIN, OrderAmended, OrderCancelled, OrderFilled, OrderPlaced
from tests.trading import NOON, X, amend, book, cancel, limit, listed, market, trades, world
from tests.world import World


def test_an_order_that_meets_nobody_waits_in_the_book() -> None:
    found = world(limit("b", "buy", 99), limit("s", "sell", 101))
    assert book(found) == ([("b", 99, 10)], [("s", 101, 10)])


def test_the_best_price_trades_first_and_of_one_price_the_order_that_came_first() -> None:
    found = world(limit("a", "sell", 101), limit("b", "sell", 100), limit("c", "sell", 100), limit("d", "sell", 102))
    events = found.events(limit("in", "buy", 101, 25))
    assert trades([*events]) == [("in", "b", 100, 10), ("in", "c", 100, 10), ("in", "a", 101, 5)]
    assert book(found) == ([], [("a", 101, 5), ("d", 102, 10)])


def test_a_seller_meets_the_highest_bid_first() -> None:
    found = world(limit("a", "buy", 98), limit("b", "buy", 99))
    assert trades([*found.events(limit("in", "sell", 98, 12))]) == [("in", "b", 99, 10), ("in", "a", 98, 2)]


def test_what_a_limit_order_does_not_trade_waits_at_its_own_price() -> None:
    found = world(limit("a", "sell", 100, 4), limit("in", "buy", 103, 10))
    assert book(found) == ([("in", 103, 6)], [])


def test_a_trade_is_two_fills_at_the_price_of_the_order_that_waited() -> None:
    found = world(limit("m", "sell", 100, 7))
    placed, maker, taker = found.events(limit("t", "buy", 105, 3))
    assert isinstance(placed, OrderPlaced)
    assert isinstance(maker, OrderFilled)
    assert isinstance(taker, OrderFilled)
    said = [(e.order_id, e.side, e.role, e.trade, e.price, e.quantity, e.counterparty) for e in (maker, taker)]
    assert said == [("m", "sell", "maker", 1, 100, 3, "t-t"), ("t", "buy", "taker", 1, 100, 3, "t-m")]


def test_a_market_order_takes_every_price_and_its_rest_is_cancelled() -> None:
    found = world(limit("a", "buy", 90, 4), limit("b", "buy", 10, 4))
    events = found.events(market("in", "sell", 10))
    assert trades([*events]) == [("in", "a", 90, 4), ("in", "b", 10, 4)]
    last = events[-1]
    assert isinstance(last, OrderCancelled)
    assert (last.order_id, last.quantity, last.reason) == ("in", 2, "unfilled")
    assert book(found) == ([], [])


def test_a_market_order_of_an_empty_book_is_cancelled_whole() -> None:
    placed, ended = world().events(market("in", "buy", 10))
    assert isinstance(placed, OrderPlaced)
    assert isinstance(ended, OrderCancelled)
    assert ended.quantity == 10


def test_nobody_trades_with_oneself() -> None:
    found = world(limit("mine", "sell", 100, 5, "ann"), limit("other", "sell", 100, 5))
    events = found.events(limit("in", "buy", 100, 5, "ann"))
    assert trades([*events]) == [("in", "other", 100, 5)]
    [own] = [each for each in events if isinstance(each, OrderCancelled)]
    assert (own.order_id, own.quantity, own.reason) == ("mine", 5, "own-order")
    assert book(found) == ([], [])


def test_a_cancelled_order_leaves_the_book_with_what_was_open() -> None:
    found = world(limit("a", "sell", 100, 5), limit("b", "buy", 100, 2))
    [ended] = found.events(cancel("a"))
    assert isinstance(ended, OrderCancelled)
    assert (ended.quantity, ended.reason, book(found)) == (3, "asked", ([], []))


@pytest.mark.parametrize(
    ("price", "lots", "first"), [(None, 4, "a"), (None, 12, "b"), (100, 4, "a"), (101, None, "b"), (99, None, "a")]
)
def test_fewer_lots_keep_the_place_and_anything_else_goes_behind(
    price: int | None, lots: int | None, first: str
) -> None:
    found = world(limit("a", "sell", 100), limit("b", "sell", 100))
    [amended] = found.events(amend("a", price, lots))
    assert isinstance(amended, OrderAmended)
    assert amended.keeps_place == (lots == 4)
    assert book(found)[1][0][0] == first


def test_an_order_that_comes_to_meet_another_by_a_change_trades_at_once() -> None:
    found = world(limit("a", "sell", 105, 5), limit("b", "buy", 100, 3))
    assert trades([*found.events(amend("b", price=105, lots=7))]) == [("b", "a", 105, 5)]
    assert book(found) == ([("b", 105, 2)], [])


def test_a_change_that_changes_nothing_is_no_event() -> None:
    assert world(limit("a", "sell", 105, 5)).events(amend("a", 105, 5)) == []


def test_a_command_without_a_date_happens_now_but_not_before_the_last_event() -> None:
    ahead = NOON + timedelta(hours=1)
    found = world(limit("a", "sell", 105, at=ahead))
    [placed] = found.events(limit("b", "sell", 105))
    assert DOMAIN.event_time(placed) == ahead


REFUSALS: list[tuple[Command, type[HeadraceError], str]] = [
    (listed(), Refused, "already-listed"),
    (limit("n", "buy", 1, name="Y"), NotFound, "unknown-instrument"),
    (limit("a", "buy", 1), Refused, "order-already-placed"),
    (market("filled", "buy", 1), Refused, "order-already-placed"),
    (cancel("a", "eve"), Refused, "not-your-order"),
    (amend("a", 5, trader="eve"), Refused, "not-your-order"),
    (cancel("filled"), NotFound, "order-not-open"),
    (amend("never", 5), NotFound, "order-not-open"),
    (limit("late", "buy", 1, at=NOON - timedelta(seconds=1)), Refused, "date-goes-back"),
]


@pytest.mark.parametrize(("command", "kind", "rule"), REFUSALS, ids=[rule for *_, rule in REFUSALS])
def test_the_command_is_refused(command: Command, kind: type[HeadraceError], rule: str) -> None:
    found = world(limit("a", "sell", 100), limit("rest", "sell", 90, 3), limit("filled", "buy", 95, 3))
    assert getattr(found.refuses(command, kind), "rule", "") == rule


def test_a_book_of_an_instrument_never_listed_is_not_found() -> None:
    assert World(DOMAIN, DECIDER, NOON).refuses(limit("a", "buy", 1), NotFound).rule == "unknown-instrument"


def test_one_order_name_may_be_in_two_books() -> None:
    found = world(limit("a", "buy", 5)).given(listed("Y"), limit("a", "buy", 5, name="Y"))
    assert set(found.states) == {X, "Y"}
