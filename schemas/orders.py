"""Orders of a shop: placed, paid, shipped, delivered or cancelled, and the catalogue of what it sells with the stock.

Orders are kept in order by customer, products by SKU (stock keeping unit).
"""

from datetime import timedelta
from decimal import Decimal
from typing import Annotated, Literal

from msgspec import UNSET, Meta, Struct, UnsetType, field

from schemas import Aggregate, Command, Country, Domain, Event, Id, Instant, Money, Quantity, Text, Ticked


class Line(Struct, frozen=True, forbid_unknown_fields=True):
    """One line of an order: a product, how many of it, and the price of the line as a whole.

    `sku` is a product of the catalogue; null for what the catalogue does not hold and nobody counts (a service).
    """

    sku: Id | None
    quantity: Quantity
    price: Money


class PlaceOrder(Command, frozen=True, kw_only=True):
    """Place an order. `at` is when it was placed (default: now).

    With `deliver_to`, payment and delivery follow by themselves (the process manager `fulfilment`); without it they are
    recorded by commands, as when past orders are taken over.
    """

    order_id: Id
    customer_id: Id
    lines: Annotated[tuple[Line, ...], Meta(min_length=1, max_length=1000)]
    total: Money
    deliver_to: Country | UnsetType = UNSET
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


Stock = Annotated[int, Meta(ge=0, le=1_000_000_000)]


class AddProduct(Command, frozen=True, kw_only=True):
    """Put a product into the catalogue, with `stock` pieces. Without a `price` (of one piece) any may be asked."""

    sku: Id
    name: Text
    price: Money | None = None
    stock: Stock = 0
    at: Instant | None = None


class ChangeProduct(Command, frozen=True, kw_only=True):
    """Change a product's name and price for orders from now on."""

    sku: Id
    name: Text
    price: Money | None = None
    at: Instant | None = None


class RestockProduct(Command, frozen=True, kw_only=True):
    """Add pieces of a product to the stock."""

    sku: Id
    quantity: Quantity
    at: Instant | None = None


class WithdrawProduct(Command, frozen=True, kw_only=True):
    """Sell a product no more; what was ordered stays ordered."""

    sku: Id
    at: Instant | None = None


class OrderPlaced(Event, frozen=True, kw_only=True):
    """An order was placed. `items` is the sum of the lines' quantities; `deliver_to` is the country that it is sent to
    where payment and delivery follow by themselves."""

    order_id: str
    customer_id: str
    lines: tuple[Line, ...]
    items: int
    total: Money
    at: Instant
    deliver_to: str | UnsetType = UNSET


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
    """The order was cancelled; `items` and `total` are what it had been placed with, `pieces` how many it gives back of
    each product of the catalogue, by SKU."""

    order_id: str
    reason: str
    items: int
    total: Money
    at: Instant
    pieces: dict[str, int] = field(default_factory=dict)


class ProductAdded(Event, frozen=True, kw_only=True):
    """A product came into the catalogue, with `stock` pieces of it."""

    sku: str
    name: str
    price: Money | None
    stock: int
    at: Instant


class ProductChanged(Event, frozen=True, kw_only=True):
    """A product has this name and price from now on."""

    sku: str
    name: str
    price: Money | None
    at: Instant


class ProductRestocked(Event, frozen=True, kw_only=True):
    """So many pieces of a product came into the stock."""

    sku: str
    quantity: int
    at: Instant


class ProductWithdrawn(Event, frozen=True, kw_only=True):
    """A product is sold no more."""

    sku: str
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


class Product(Struct, frozen=True, kw_only=True):
    """One product of the catalogue as it stands. `supplied` counts the pieces that ever came into the stock."""

    sku: str
    name: str
    price: Money | None
    supplied: int
    added_at: Instant
    withdrawn_at: Instant | None = None


CATALOGUE = (AddProduct, ChangeProduct, RestockProduct, WithdrawProduct)
PRODUCT = "product:"


def product_stream(sku: str) -> str:
    """The stream of a product; no order may have such an id."""
    return f"{PRODUCT}{sku}"


DOMAIN = Domain(
    name="orders",
    commands=(PlaceOrder, PayOrder, ShipOrder, DeliverOrder, CancelOrder, *CATALOGUE),
    events=(
        OrderPlaced,
        OrderPaid,
        OrderShipped,
        OrderDelivered,
        OrderCancelled,
        ProductAdded,
        ProductChanged,
        ProductRestocked,
        ProductWithdrawn,
        Ticked,
    ),
    aggregates=(Aggregate("orders", Order), Aggregate("customers", Customer), Aggregate("products", Product)),
    stream_of=lambda command: product_stream(command.sku) if isinstance(command, CATALOGUE) else command.order_id,
    partition_by=lambda event: product_stream(event.sku) if isinstance(event, ProductAdded) else event.customer_id,
    event_time=lambda event: event.at,
    tick_after=timedelta(hours=1),
)
