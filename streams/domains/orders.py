"""Folds of the orders: each order as it stands, what each customer bought, each product of the catalogue."""

from collections.abc import Callable
from typing import Any, TypeVar

from msgspec.structs import replace

from schemas import Envelope, Event
from schemas.orders import (
    PRODUCT,
    Customer,
    Order,
    OrderCancelled,
    OrderDelivered,
    OrderPaid,
    OrderPlaced,
    OrderShipped,
    Product,
    ProductAdded,
    ProductChanged,
    ProductRestocked,
    ProductWithdrawn,
)
from streams.fold import Fold, by_partition_key, by_stream

T = TypeVar("T")


def _existing(value: T | None, event: Event, envelope: Envelope[Any]) -> T:
    if value is None:
        raise LookupError(f"{type(event).__name__} of {envelope.subject} before its first event")
    return value


def _place(order: Order | None, event: OrderPlaced, envelope: Envelope[Any]) -> Order:
    if order is not None:
        raise ValueError(f"{envelope.subject} was placed twice")
    return Order(
        order_id=event.order_id,
        customer_id=event.customer_id,
        status="placed",
        items=event.items,
        total=event.total,
        placed_at=event.at,
    )


def _pay(order: Order | None, event: OrderPaid, envelope: Envelope[Any]) -> Order:
    return replace(_existing(order, event, envelope), status="paid", paid_at=event.at)


def _ship(order: Order | None, event: OrderShipped, envelope: Envelope[Any]) -> Order:
    return replace(_existing(order, event, envelope), status="shipped", shipped_at=event.at)


def _deliver(order: Order | None, event: OrderDelivered, envelope: Envelope[Any]) -> Order:
    return replace(_existing(order, event, envelope), status="delivered", delivered_at=event.at)


def _cancel(order: Order | None, event: OrderCancelled, envelope: Envelope[Any]) -> Order:
    return replace(_existing(order, event, envelope), status="cancelled", cancelled_at=event.at)


def _customer_placed(customer: Customer | None, event: OrderPlaced, envelope: Envelope[Any]) -> Customer:
    currency, amount = event.total.currency, event.total.amount
    if customer is None:
        return Customer(
            customer_id=envelope.partitionkey,
            orders=1,
            items=event.items,
            spent={currency: amount},
            first_purchase=event.at,
            last_purchase=event.at,
        )
    spent = customer.spent
    return replace(
        customer,
        orders=customer.orders + 1,
        items=customer.items + event.items,
        spent={**spent, currency: spent[currency] + amount if currency in spent else amount},
        first_purchase=min(customer.first_purchase, event.at),
        last_purchase=max(customer.last_purchase, event.at),
    )


def _customer_delivered(customer: Customer | None, event: OrderDelivered, envelope: Envelope[Any]) -> Customer:
    customer = _existing(customer, event, envelope)
    return replace(customer, delivered=customer.delivered + 1)


def _customer_cancelled(customer: Customer | None, event: OrderCancelled, envelope: Envelope[Any]) -> Customer:
    customer = _existing(customer, event, envelope)
    currency = event.total.currency
    return replace(
        customer,
        orders=customer.orders - 1,
        items=customer.items - event.items,
        spent={**customer.spent, currency: customer.spent[currency] - event.total.amount},
        cancelled=customer.cancelled + 1,
    )


def _product_added(product: Product | None, event: ProductAdded, envelope: Envelope[Any]) -> Product:
    if product is not None:
        raise ValueError(f"{envelope.subject} was added twice")
    return Product(sku=event.sku, name=event.name, price=event.price, supplied=event.stock, added_at=event.at)


def _product_changed(product: Product | None, event: ProductChanged, envelope: Envelope[Any]) -> Product:
    return replace(_existing(product, event, envelope), name=event.name, price=event.price)


def _product_restocked(product: Product | None, event: ProductRestocked, envelope: Envelope[Any]) -> Product:
    product = _existing(product, event, envelope)
    return replace(product, supplied=product.supplied + event.quantity)


def _product_withdrawn(product: Product | None, event: ProductWithdrawn, envelope: Envelope[Any]) -> Product:
    return replace(_existing(product, event, envelope), withdrawn_at=event.at)


_ORDER: dict[type[Event], Callable[..., Order]] = {
    OrderPlaced: _place,
    OrderPaid: _pay,
    OrderShipped: _ship,
    OrderDelivered: _deliver,
    OrderCancelled: _cancel,
}
_CUSTOMER: dict[type[Event], Callable[..., Customer]] = {
    OrderPlaced: _customer_placed,
    OrderDelivered: _customer_delivered,
    OrderCancelled: _customer_cancelled,
}
_PRODUCT: dict[type[Event], Callable[..., Product]] = {
    ProductAdded: _product_added,
    ProductChanged: _product_changed,
    ProductRestocked: _product_restocked,
    ProductWithdrawn: _product_withdrawn,
}


def order(value: Order | None, event: Event, envelope: Envelope[Any]) -> Order | None:
    """The order after `event`. Raises LookupError for one that was never placed, ValueError for one placed twice."""
    step = _ORDER.get(type(event))
    return value if step is None else step(value, event, envelope)


def customer(value: Customer | None, event: Event, envelope: Envelope[Any]) -> Customer | None:
    """The customer's figures after `event`; payment and shipment change none. Raises LookupError as `order`."""
    step = _CUSTOMER.get(type(event))
    return value if step is None else step(value, event, envelope)


def product(value: Product | None, event: Event, envelope: Envelope[Any]) -> Product | None:
    """The product after `event`. Raises LookupError for one never added, ValueError for one added twice."""
    step = _PRODUCT.get(type(event))
    return value if step is None else step(value, event, envelope)


FOLDS = (
    Fold("orders", key=by_stream, fold=order, events=tuple(_ORDER)),
    Fold("customers", key=by_partition_key, fold=customer, events=tuple(_CUSTOMER)),
    Fold("products", key=lambda e: e.subject.removeprefix(PRODUCT), fold=product, events=tuple(_PRODUCT)),
)
