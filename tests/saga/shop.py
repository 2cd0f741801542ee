"""Orders of a shop, kept in order by customer."""

from datetime import timedelta
from typing import Any

from schemas import Command, Domain, Envelope, Event, Id, Instant, Route, Ticked


class PlaceOrder(Command, frozen=True, kw_only=True):
    """Place an order."""

    order_id: Id
    customer_id: Id
    amount: int
    at: Instant


class CancelOrder(Command, frozen=True, kw_only=True):
    """Give an order up."""

    order_id: Id
    reason: str
    at: Instant


class CompleteOrder(Command, frozen=True, kw_only=True):
    """Note that the customer has everything."""

    order_id: Id
    at: Instant


class OrderPlaced(Event, frozen=True, kw_only=True):
    """An order was placed."""

    order_id: str
    customer_id: str
    amount: int
    at: Instant


class OrderCancelled(Event, frozen=True, kw_only=True):
    """An order was given up."""

    order_id: str
    reason: str
    at: Instant


class OrderCompleted(Event, frozen=True, kw_only=True):
    """The customer has everything."""

    order_id: str
    at: Instant


def order_of(envelope: Envelope[Any]) -> str:
    return str(envelope.data.order_id)


BY_ORDER = Route("by_order", order_of)

DOMAIN = Domain(
    name="shop",
    commands=(PlaceOrder, CancelOrder, CompleteOrder),
    events=(OrderPlaced, OrderCancelled, OrderCompleted, Ticked),
    aggregates=(),
    stream_of=lambda command: command.order_id,
    event_time=lambda event: event.at,
    partition_by=lambda event: event.customer_id,
    tick_after=timedelta(seconds=1),
    command_retention=timedelta(days=30),
    routes=(BY_ORDER,),
)
