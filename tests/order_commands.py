"""Commands of orders for tests, in their shortest form."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

from schemas import Money
from schemas.orders import CancelOrder, DeliverOrder, Line, PayOrder, PlaceOrder, ShipOrder

DAY = datetime(2026, 1, 1, 12, tzinfo=UTC)


def money(amount: str = "10.00", currency: str = "EUR") -> Money:
    return Money(Decimal(amount), currency)


def place(order: str = "o1", customer: str = "c1", amount: str = "10.00", at: datetime | None = DAY) -> PlaceOrder:
    total = money(amount)
    return PlaceOrder(order_id=order, customer_id=customer, lines=(Line(None, 2, total),), total=total, at=at)


def pay(order: str = "o1", amount: str = "10.00", currency: str = "EUR", at: datetime | None = None) -> PayOrder:
    return PayOrder(order_id=order, amount=money(amount, currency), at=at or DAY + timedelta(hours=1))


def ship(order: str = "o1", at: datetime | None = None) -> ShipOrder:
    return ShipOrder(order_id=order, carrier="parcel", at=at or DAY + timedelta(hours=2))


def deliver(order: str = "o1", at: datetime | None = None) -> DeliverOrder:
    return DeliverOrder(order_id=order, at=at or DAY + timedelta(hours=3))


def cancel(order: str = "o1", at: datetime | None = None) -> CancelOrder:
    return CancelOrder(order_id=order, reason="changed my mind", at=at or DAY + timedelta(hours=4))
