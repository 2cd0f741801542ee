"""Deliveries of orders: shipped, delivered."""

from datetime import timedelta

from schemas import Command, Domain, Event, Id, Instant, Ticked


class Ship(Command, frozen=True, kw_only=True):
    """Hand an order to the carrier."""

    order_id: Id
    at: Instant


class Deliver(Command, frozen=True, kw_only=True):
    """The customer has it."""

    order_id: Id
    at: Instant


class Shipped(Event, frozen=True, kw_only=True):
    """An order left with the carrier."""

    order_id: str
    at: Instant


class Delivered(Event, frozen=True, kw_only=True):
    """The customer has it."""

    order_id: str
    at: Instant


DOMAIN = Domain(
    name="deliveries",
    commands=(Ship, Deliver),
    events=(Shipped, Delivered, Ticked),
    aggregates=(),
    stream_of=lambda command: command.order_id,
    event_time=lambda event: event.at,
    tick_after=timedelta(seconds=1),
    command_retention=timedelta(days=30),
)
