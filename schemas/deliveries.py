"""Deliveries of orders: booked, dispatched with a carrier, then completed or failed.

A delivery bears the id of its order, and is kept in order by customer, as orders are.
"""

from datetime import timedelta
from typing import Literal

from msgspec import Struct

from schemas import Aggregate, Command, Country, Domain, Event, Id, Instant, Text, Ticked


class BookDelivery(Command, frozen=True, kw_only=True):
    """Book the delivery of an order into a country. `at` is when (default: now), as everywhere."""

    order_id: Id
    customer_id: Id
    country: Country
    at: Instant | None = None


class DispatchDelivery(Command, frozen=True, kw_only=True):
    """Hand the parcel to a carrier."""

    order_id: Id
    carrier: Text
    at: Instant | None = None


class CompleteDelivery(Command, frozen=True, kw_only=True):
    """Record that the customer has the parcel."""

    order_id: Id
    at: Instant | None = None


class FailDelivery(Command, frozen=True, kw_only=True):
    """Record that the parcel will not arrive: it was not dispatched, or was lost on the way."""

    order_id: Id
    reason: Text
    at: Instant | None = None


class DeliveryBooked(Event, frozen=True, kw_only=True):
    """A parcel is to be dispatched."""

    order_id: str
    customer_id: str
    country: str
    at: Instant


class DeliveryDispatched(Event, frozen=True, kw_only=True):
    """The parcel left with a carrier."""

    order_id: str
    customer_id: str
    carrier: str
    at: Instant


class DeliveryCompleted(Event, frozen=True, kw_only=True):
    """The customer has the parcel."""

    order_id: str
    customer_id: str
    at: Instant


class DeliveryFailed(Event, frozen=True, kw_only=True):
    """The parcel will not arrive; `dispatched` says whether it had left."""

    order_id: str
    customer_id: str
    reason: str
    dispatched: bool
    at: Instant


DeliveryStatus = Literal["booked", "dispatched", "completed", "failed"]


class Delivery(Struct, frozen=True, kw_only=True):
    """The delivery of one order as it stands."""

    order_id: str
    customer_id: str
    country: str
    status: DeliveryStatus
    booked_at: Instant
    carrier: str = ""
    dispatched_at: Instant | None = None
    completed_at: Instant | None = None
    failed_at: Instant | None = None
    reason: str = ""


DOMAIN = Domain(
    name="deliveries",
    commands=(BookDelivery, DispatchDelivery, CompleteDelivery, FailDelivery),
    events=(DeliveryBooked, DeliveryDispatched, DeliveryCompleted, DeliveryFailed, Ticked),
    aggregates=(Aggregate("deliveries", Delivery),),
    stream_of=lambda command: command.order_id,
    partition_by=lambda event: event.customer_id,
    event_time=lambda event: event.at,
    tick_after=timedelta(hours=1),
)
