"""Orders of a shop: placed, paid, shipped, delivered or cancelled. Kept in order by customer."""

from decimal import Decimal
from typing import Annotated, Literal

from msgspec import Meta, Struct

from schemas import Aggregate, Command, Domain, Event, Id, Instant, Money, Quantity, Text


class Line(Struct, frozen=True, forbid_unknown_fields=True):
    """One line of an order: a product, how many of it, and the price of the line as a whole."""

    sku: Id
    quantity: Quantity
    price: Money


class PlaceOrder(Command, frozen=True, kw_only=True):
    """Place an order. `at` is when it was placed (default: now)."""

    order_id: Id
    customer_id: Id
    lines: Annotated[tuple[Line, ...], Meta(min_length=1, max_length=1000)]
    total: Money
    at: Instant | None = None


class PayOrder(Command, frozen=True, kw_only=True):
    """Record the payment of an order; the amount must be the order's total."""

    order_id: Id
    amount: Money
    at: Instant | None = None


class ShipOrder(Command, frozen=True, kw_only=True):
    """Hand a paid order to the carrier."""

    order_id: Id
    carrier: Text = "unspecified"
    at: Instant | None = None


class DeliverOrder(Command, frozen=True, kw_only=True):
    """Record the delivery of a shipped order."""

    order_id: Id
    at: Instant | None = None


class CancelOrder(Command, frozen=True, kw_only=True):
    """Cancel an order that has not been shipped."""

    order_id: Id
    reason: Text
    at: Instant | None = None


class OrderPlaced(Event, frozen=True, kw_only=True):
    """An order was placed. `items` is the sum of the lines' quantities."""

    order_id: str
    customer_id: str
    lines: tuple[Line, ...]
    items: int
    total: Money
    at: Instant


class OrderPaid(Event, frozen=True, kw_only=True):
    """The order's total was paid."""

    order_id: str
    amount: Money
    at: Instant


class OrderShipped(Event, frozen=True, kw_only=True):
    """The order left with the carrier."""

    order_id: str
    carrier: str
    at: Instant


class OrderDelivered(Event, frozen=True, kw_only=True):
    """The order reached the customer."""

    order_id: str
    at: Instant


class OrderCancelled(Event, frozen=True, kw_only=True):
    """The order was cancelled; `items` and `total` are what it had been placed with."""

    order_id: str
    reason: str
    items: int
    total: Money
    at: Instant


Status = Literal["placed", "paid", "shipped", "delivered", "cancelled"]


class Order(Struct, frozen=True, kw_only=True):
    """One order as it stands."""

    order_id: str
    customer_id: str
    status: Status
    items: int
    total: Money
    placed_at: Instant
    paid_at: Instant | None = None
    shipped_at: Instant | None = None
    delivered_at: Instant | None = None
    cancelled_at: Instant | None = None


class Customer(Struct, frozen=True, kw_only=True):
    """What one customer bought, for recency, frequency and monetary (RFM) analysis.

    Cancelled orders are counted in `cancelled` and taken out of all other figures but the dates of purchase.
    `spent` maps a currency to an exact amount.
    """

    customer_id: str
    orders: int
    items: int
    spent: dict[str, Decimal]
    first_purchase: Instant
    last_purchase: Instant
    delivered: int = 0
    cancelled: int = 0


DOMAIN = Domain(
    name="orders",
    commands=(PlaceOrder, PayOrder, ShipOrder, DeliverOrder, CancelOrder),
    events=(OrderPlaced, OrderPaid, OrderShipped, OrderDelivered, OrderCancelled),
    aggregates=(Aggregate("orders", Order), Aggregate("customers", Customer)),
    stream_of=lambda command: command.order_id,
    partition_by=lambda event: event.customer_id,
    event_time=lambda event: event.at,
)
