"""Whatever comes to an order book: it is not crossed, lots are conserved, and a plain book gives the same."""

from collections import Counter
from random import Random

import msgspec
from hypothesis import given as for_all
from hypothesis import settings
from hypothesis import strategies as st

from infra.demo.market_book import Book, Step
from producers.domains.trading import DECIDER
from producers.domains.trading.book import State
from schemas import Command, NotFound, Refused
from schemas.trading import (
    DOMAIN,
    AmendOrder,
    CancelOrder,
    OrderAmended,
    OrderCancelled,
    OrderFilled,
    OrderPlaced,
    PlaceLimit,
    PlaceMarket,
)
from streams.kit import given
from streams.kit.history import Step as Stored
from tests.trading import X, amend, cancel, limit, market, world
from tests.world import World

_ORDERS = st.sampled_from([f"o{n}" for n in range(20)])
_TRADERS = st.sampled_from(["ann", "bob", "eve"])
_SIDES = st.sampled_from(["buy", "sell"])
_PRICES, _LOTS = st.integers(99, 102), st.integers(1, 4)
COMMANDS = st.lists(
    st.one_of(
        st.builds(limit, _ORDERS, _SIDES, _PRICES, _LOTS, _TRADERS),
        st.builds(limit, _ORDERS, _SIDES, _PRICES, _LOTS, _TRADERS),
        st.builds(market, _ORDERS, _SIDES, _LOTS, _TRADERS),
        st.builds(cancel, _ORDERS, _TRADERS),
        st.builds(amend, _ORDERS, st.none() | _PRICES, st.none() | _LOTS, _TRADERS),
    ),
    min_size=10,
    max_size=40,
)


def _tried(found: World, command: Command) -> bool:
    try:
        found.when(command)
    except (Refused, NotFound):
        return False
    return True


def _state(found: World) -> State:
    state: State = found.states[X]
    return state


@settings(deadline=None)
@for_all(COMMANDS)
def test_a_book_is_never_crossed_after_a_command_and_trades_first_by_price(commands: list[Command]) -> None:
    found = world()
    for command in commands:
        _tried(found, command)
        state = _state(found)
        assert not (state.buy and state.sell) or state.buy[0].price < state.sell[0].price
        assert [each.price for each in state.buy] == sorted((each.price for each in state.buy), reverse=True)
        assert [each.price for each in state.sell] == sorted(each.price for each in state.sell)
        assert all(each.quantity > 0 for each in (*state.buy, *state.sell))


@settings(deadline=None)
@for_all(COMMANDS)
def test_lots_are_conserved_order_by_order_and_trade_by_trade(commands: list[Command]) -> None:
    found = world()
    for command in commands:
        _tried(found, command)
    opened: Counter[str] = Counter()
    bought: Counter[int] = Counter()
    for _, event in found.happened:
        match event:
            case OrderPlaced(order_id=order, quantity=lots):
                opened[order] = lots
            case OrderAmended(order_id=order, quantity=lots):
                assert opened[order] > 0
                opened[order] = lots
            case OrderCancelled(order_id=order, quantity=lots):
                opened[order] -= lots
                assert opened[order] == 0
            case OrderFilled(order_id=order, quantity=lots, side=side, trade=trade):
                opened[order] -= lots
                assert opened[order] >= 0
                bought[trade] += lots if side == "buy" else -lots
    assert set(bought.values()) <= {0}
    assert sorted(bought) == list(range(1, len(bought) + 1))
    state = _state(found)
    assert {each.order_id: each.quantity for each in (*state.buy, *state.sell)} == +opened


def _step(command: Command) -> Step:
    at = world().now
    match command:
        case PlaceLimit(order_id=order, trader_id=who, side=side, price=price, quantity=lots):
            return Step(at, "limit", order, who, side, price, lots)
        case PlaceMarket(order_id=order, trader_id=who, side=side, quantity=lots):
            return Step(at, "market", order, who, side, 0, lots)
        case CancelOrder(order_id=order, trader_id=who):
            return Step(at, "cancel", order, who)
        case AmendOrder(order_id=order, trader_id=who, price=price, quantity=lots):
            return Step(at, "amend", order, who, "", price or 0, lots or 0)
    raise TypeError(command)


@settings(deadline=None)
@for_all(COMMANDS)
def test_a_plain_book_that_searches_anew_for_each_trade_gives_the_same_trades(commands: list[Command]) -> None:
    found, plain = world(), Book()
    for command in commands:
        if _tried(found, command):
            plain.take(_step(command))
    fills = [each for _, each in found.happened if isinstance(each, OrderFilled) and each.role == "taker"]
    ours = [
        (each.price, each.quantity, *((each.trader_id, each.counterparty)[:: 1 if each.side == "buy" else -1]))
        for each in fills
    ]
    assert ours == [trade[1:] for trade in plain.trades]
    state = _state(found)
    open_lots = {each.order_id: each.quantity for each in (*state.buy, *state.sell)}
    assert open_lots == {name: each.step.quantity for name, each in plain.orders.items()}


@settings(deadline=None)
@for_all(COMMANDS)
def test_a_book_that_was_written_and_read_again_is_the_same(commands: list[Command]) -> None:
    found = world()
    for command in commands:
        _tried(found, command)
    assert msgspec.json.decode(msgspec.json.encode(_state(found)), type=DECIDER.state) == _state(found)


@settings(deadline=None)
@for_all(COMMANDS, st.randoms(use_true_random=False))
def test_positions_add_up_to_nothing_and_orders_to_their_lots_however_the_records_come(
    commands: list[Command], random: Random
) -> None:
    found = world()
    for command in commands:
        _tried(found, command)
    history = given(DOMAIN, [Stored(*each) for each in found.happened])
    assert history.folded(random) == history.folded()
    positions = history.table("positions").values()
    assert sum(each.quantity for each in positions) == 0
    assert sum(each.realised - each.cost for each in positions) == 0
    for each in positions:
        assert each.quantity == each.bought - each.sold
        assert (each.quantity == 0) <= (each.cost == 0)
    orders = history.table("orders").values()
    assert all(each.filled + each.open + each.cancelled == each.quantity for each in orders)
    assert all((each.status == "open") == (each.open > 0) for each in orders)
    state = _state(found)
    waiting = {each.order_id: (each.price, each.quantity) for each in (*state.buy, *state.sell)}
    assert {each.order_id: (each.price, each.open) for each in orders if each.status == "open"} == waiting
