"""Matching by price and time: what an order that comes does to the orders that wait."""

from datetime import datetime
from typing import NamedTuple

from producers.domains.trading.book import State, Waiting
from schemas import Event
from schemas.trading import OrderCancelled, OrderFilled, Role, Side


class Incoming(NamedTuple):
    """An order that comes, or comes anew after a change; `price` is None for any price."""

    instrument_id: str
    order_id: str
    trader_id: str
    side: Side
    price: int | None
    quantity: int
    at: datetime


def match(state: State, order: Incoming) -> tuple[list[Event], int]:
    """The trades of an order with the waiting ones in their order, and how many lots of it are left.

    Nobody trades with oneself: a waiting order of the same trader that is reached is cancelled.
    """
    events: list[Event] = []
    left, trade = order.quantity, state.trades
    other: Side = "sell" if order.side == "buy" else "buy"
    for waiting in state.side(other):
        if not left or not _meets(order, waiting.price):
            break
        if waiting.trader_id == order.trader_id:
            events.append(cancelled(order.instrument_id, other, waiting, order.at))
            continue
        quantity, trade = min(left, waiting.quantity), trade + 1
        left -= quantity
        events += _fills(order, waiting, other, trade, quantity)
    return events, left


def cancelled(instrument_id: str, side: Side, waiting: Waiting, at: datetime) -> OrderCancelled:
    """The end of a waiting order that its own trader's next order reached."""
    return OrderCancelled(
        instrument_id=instrument_id,
        order_id=waiting.order_id,
        trader_id=waiting.trader_id,
        side=side,
        quantity=waiting.quantity,
        reason="own-order",
        at=at,
    )


def _meets(order: Incoming, price: int) -> bool:
    if order.price is None:
        return True
    return price <= order.price if order.side == "buy" else price >= order.price


def _fills(order: Incoming, waiting: Waiting, other: Side, trade: int, quantity: int) -> tuple[Event, Event]:
    def fill(side: Side, role: Role, mine: tuple[str, str], theirs: tuple[str, str]) -> OrderFilled:
        return OrderFilled(
            instrument_id=order.instrument_id,
            order_id=mine[0],
            trader_id=mine[1],
            side=side,
            role=role,
            trade=trade,
            price=waiting.price,
            quantity=quantity,
            other_order=theirs[0],
            counterparty=theirs[1],
            at=order.at,
        )

    maker, taker = (waiting.order_id, waiting.trader_id), (order.order_id, order.trader_id)
    return fill(other, "maker", maker, taker), fill(order.side, "taker", taker, maker)
