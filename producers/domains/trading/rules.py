"""The rules of an order book.

Orders trade by price, then by time, at the price of the one that waited. A book is never crossed after a command.
Only its trader changes an order, and only while it is open. No event is dated before the last one of its book; a
command without a date happens now, or with that last one when it lies ahead of our clock.
"""

from datetime import datetime

from producers.decider import Facts
from producers.domains.trading.book import State, Waiting
from producers.domains.trading.matching import Incoming, match
from schemas import Command, Event, NotFound, Refused
from schemas.trading import (
    AmendOrder,
    CancelOrder,
    InstrumentListed,
    ListInstrument,
    OrderAmended,
    OrderCancelled,
    OrderPlaced,
    PlaceLimit,
    PlaceMarket,
    Reason,
    Side,
)


def decide(state: State | None, command: Command, facts: Facts) -> tuple[Event, ...]:
    """The events of a command. Raises Refused or NotFound with the rule that forbids it."""
    match command:
        case ListInstrument():
            return (_list(state, command, facts),)
        case PlaceLimit() | PlaceMarket():
            return _place(_listed(state, command.instrument_id), command, facts)
        case CancelOrder():
            return _cancel(_listed(state, command.instrument_id), command, facts)
        case AmendOrder():
            return _amend(_listed(state, command.instrument_id), command, facts)
    raise TypeError(f"{type(command).__name__} is no command of an order book")


def _list(state: State | None, command: ListInstrument, facts: Facts) -> InstrumentListed:
    name = command.instrument_id
    if state is not None:
        raise Refused(f"{name} was already listed", rule="already-listed", field="instrument_id")
    return InstrumentListed(
        instrument_id=name, currency=command.currency, decimals=command.decimals, at=command.at or facts.now
    )


def _place(state: State, command: PlaceLimit | PlaceMarket, facts: Facts) -> tuple[Event, ...]:
    limit = command.price if isinstance(command, PlaceLimit) else None
    at = _at(state, command.at, facts)
    name, order, trader = command.instrument_id, command.order_id, command.trader_id
    placed = OrderPlaced(
        instrument_id=name,
        order_id=order,
        trader_id=trader,
        side=command.side,
        kind="market" if limit is None else "limit",
        price=limit,
        quantity=command.quantity,
        at=at,
    )
    events, left = match(state, Incoming(name, order, trader, command.side, limit, command.quantity, at))
    if limit is None and left:
        events.append(_cancelled(command, command.side, left, "unfilled", at))
    return placed, *events


def _cancel(state: State, command: CancelOrder, facts: Facts) -> tuple[Event, ...]:
    side, order = _mine(state, command)
    return (_cancelled(command, side, order.quantity, "asked", _at(state, command.at, facts)),)


def _amend(state: State, command: AmendOrder, facts: Facts) -> tuple[Event, ...]:
    side, order = _mine(state, command)
    price, quantity = command.price or order.price, command.quantity or order.quantity
    if (price, quantity) == (order.price, order.quantity):
        return ()
    at = _at(state, command.at, facts)
    keeps = price == order.price and quantity < order.quantity
    amended = OrderAmended(
        instrument_id=command.instrument_id,
        order_id=command.order_id,
        trader_id=command.trader_id,
        side=side,
        price=price,
        quantity=quantity,
        keeps_place=keeps,
        at=at,
    )
    names = (command.instrument_id, command.order_id, command.trader_id)
    events, _ = match(state, Incoming(*names, side, price, quantity, at))
    return amended, *events


def _cancelled(
    command: PlaceLimit | PlaceMarket | CancelOrder, side: Side, quantity: int, reason: Reason, at: datetime
) -> OrderCancelled:
    return OrderCancelled(
        instrument_id=command.instrument_id,
        order_id=command.order_id,
        trader_id=command.trader_id,
        side=side,
        quantity=quantity,
        reason=reason,
        at=at,
    )


def _listed(state: State | None, instrument_id: str) -> State:
    if state is None:
        raise NotFound(f"{instrument_id} is not listed", rule="unknown-instrument", field="instrument_id")
    return state


def _mine(state: State, command: CancelOrder | AmendOrder) -> tuple[Side, Waiting]:
    """The side and the open order that a command means; its trader alone may."""
    sides: tuple[Side, Side] = ("buy", "sell")
    for side in sides:
        for order in state.side(side):
            if order.order_id == command.order_id:
                if order.trader_id != command.trader_id:
                    raise Refused(
                        f"{command.order_id} is another trader's order", rule="not-your-order", field="trader_id"
                    )
                return side, order
    raise NotFound(
        f"{command.order_id} is not open in {command.instrument_id}: it was never placed, is filled or was cancelled",
        rule="order-not-open",
        field="order_id",
    )


def _at(state: State, at: datetime | None, facts: Facts) -> datetime:
    if at is None:
        return max(facts.now, state.at)
    if at < state.at:
        raise Refused(
            f"the event is dated {at.isoformat()}, the one before it {state.at.isoformat()}",
            rule="date-goes-back",
            field="at",
        )
    return at
