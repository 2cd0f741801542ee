"""Folds of trading: each instrument, each order, and what each trader has of each instrument."""

from typing import Any

from msgspec.structs import replace

from schemas import Envelope, Event
from schemas.trading import (
    Instrument,
    InstrumentListed,
    Order,
    OrderAmended,
    OrderCancelled,
    OrderFilled,
    OrderPlaced,
    Position,
)
from streams.fold import Fold, by_stream


def instrument(value: Instrument | None, event: Event, envelope: Envelope[Any]) -> Instrument:
    """The instrument after `event`. Raises LookupError for one never listed, ValueError for one listed twice."""
    if isinstance(event, InstrumentListed):
        if value is not None:
            raise ValueError(f"{envelope.subject} was listed twice")
        return Instrument(
            instrument_id=event.instrument_id, currency=event.currency, decimals=event.decimals, listed_at=event.at
        )
    if value is None:
        raise LookupError(f"{type(event).__name__} of {envelope.subject} before it was listed")
    match event:
        case OrderPlaced():
            return replace(value, orders=value.orders + 1)
        case OrderFilled(role="taker", price=price, quantity=quantity):  # a trade has two fills and counts once
            return replace(
                value,
                trades=value.trades + 1,
                volume=value.volume + quantity,
                turnover=value.turnover + price * quantity,
                last_price=price,
                last_at=event.at,
            )
    return value


def order(value: Order | None, event: Any, envelope: Envelope[Any]) -> Order:
    """The order after `event`. Raises LookupError for one never placed, ValueError for one placed twice."""
    if isinstance(event, OrderPlaced):
        if value is not None:
            raise ValueError(f"{event.order_id} of {envelope.subject} was placed twice")
        return _placed(event)
    if value is None:
        raise LookupError(f"{type(event).__name__} of {event.order_id} of {envelope.subject} before it was placed")
    match event:
        case OrderFilled(price=price, quantity=lots):
            left, filled = value.open - lots, value.filled + lots
            status = value.status if left else "filled"
            paid = value.turnover + price * lots
            return replace(value, status=status, open=left, filled=filled, turnover=paid, changed_at=event.at)
        case OrderAmended(price=price, quantity=lots):
            return replace(value, price=price, quantity=value.filled + lots, open=lots, changed_at=event.at)
        case OrderCancelled(quantity=lots):
            return replace(value, status="cancelled", open=value.open - lots, cancelled=lots, changed_at=event.at)
    raise TypeError(f"{type(event).__name__} is no event of an order")


def _placed(event: OrderPlaced) -> Order:
    return Order(
        instrument_id=event.instrument_id,
        order_id=event.order_id,
        trader_id=event.trader_id,
        side=event.side,
        kind=event.kind,
        price=event.price,
        status="open",
        quantity=event.quantity,
        open=event.quantity,
        filled=0,
        cancelled=0,
        turnover=0,
        placed_at=event.at,
        changed_at=event.at,
    )


def position(value: Position | None, event: OrderFilled, _envelope: Envelope[Any]) -> Position:
    """The position after a fill, at average cost.

    The cost of a part that is closed is rounded down to a whole tick times lot; the rest keeps what is left.
    """
    had, cost, realised = (value.quantity, value.cost, value.realised) if value else (0, 0, 0)
    sign = 1 if event.side == "buy" else -1
    closed = min(event.quantity, abs(had)) if had * sign < 0 else 0
    released = cost * closed // abs(had) if closed else 0
    return Position(
        instrument_id=event.instrument_id,
        trader_id=event.trader_id,
        quantity=had + sign * event.quantity,
        cost=cost - released + sign * (event.quantity - closed) * event.price,
        realised=realised - sign * closed * event.price - released,
        bought=(value.bought if value else 0) + (event.quantity if sign > 0 else 0),
        sold=(value.sold if value else 0) + (event.quantity if sign < 0 else 0),
        fills=(value.fills if value else 0) + 1,
        changed_at=event.at,
    )


FOLDS = (
    Fold("instruments", key=by_stream, fold=instrument),
    Fold(
        "orders",
        key=lambda e: f"{e.subject}/{e.data.order_id}",
        fold=order,
        events=(OrderPlaced, OrderFilled, OrderAmended, OrderCancelled),
    ),
    Fold("positions", key=lambda e: f"{e.subject}/{e.data.trader_id}", fold=position, events=(OrderFilled,)),
)
