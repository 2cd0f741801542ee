"""Payments of orders: requested, then received, declined or expired; what was received may be refunded.

A payment bears the id of its order, and is kept in order by customer, as orders are.
"""

from datetime import timedelta
from typing import Literal

from msgspec import Struct

from schemas import Aggregate, Command, Domain, Event, Id, Instant, Money, Text, Ticked


class RequestPayment(Command, frozen=True, kw_only=True):
    """Ask a customer to pay for an order until `due_at`. `at` is when (default: now), as everywhere."""

    order_id: Id
    customer_id: Id
    amount: Money
    due_at: Instant
    at: Instant | None = None


class ReceivePayment(Command, frozen=True, kw_only=True):
    """Record the money of a customer. What comes after the payment has ended is given back at once."""

    order_id: Id
    amount: Money
    at: Instant | None = None


class DeclinePayment(Command, frozen=True, kw_only=True):
    """Record that the payment was declined, by the bank for instance."""

    order_id: Id
    reason: Text
    at: Instant | None = None


class ExpirePayment(Command, frozen=True, kw_only=True):
    """End a payment that has not come until it was due."""

    order_id: Id
    at: Instant | None = None


class RefundPayment(Command, frozen=True, kw_only=True):
    """Give back what was received."""

    order_id: Id
    reason: Text
    at: Instant | None = None


class PaymentRequested(Event, frozen=True, kw_only=True):
    """The customer was asked to pay until `due_at`."""

    order_id: str
    customer_id: str
    amount: Money
    due_at: Instant
    at: Instant


class PaymentReceived(Event, frozen=True, kw_only=True):
    """The money has come."""

    order_id: str
    customer_id: str
    amount: Money
    at: Instant


class PaymentDeclined(Event, frozen=True, kw_only=True):
    """The money will not come."""

    order_id: str
    customer_id: str
    reason: str
    at: Instant


class PaymentExpired(Event, frozen=True, kw_only=True):
    """The money did not come in time."""

    order_id: str
    customer_id: str
    at: Instant


class PaymentRefunded(Event, frozen=True, kw_only=True):
    """What had been received was given back."""

    order_id: str
    customer_id: str
    amount: Money
    reason: str
    at: Instant


class LatePaymentReturned(Event, frozen=True, kw_only=True):
    """Money came after the payment had ended, and was given back."""

    order_id: str
    customer_id: str
    amount: Money
    at: Instant


PaymentStatus = Literal["requested", "received", "declined", "expired", "refunded"]


class Payment(Struct, frozen=True, kw_only=True):
    """The payment of one order as it stands. `returned` counts what came late and was given back."""

    order_id: str
    customer_id: str
    status: PaymentStatus
    amount: Money
    requested_at: Instant
    due_at: Instant
    received_at: Instant | None = None
    ended_at: Instant | None = None
    reason: str = ""
    returned: int = 0


DOMAIN = Domain(
    name="payments",
    commands=(RequestPayment, ReceivePayment, DeclinePayment, ExpirePayment, RefundPayment),
    events=(
        PaymentRequested,
        PaymentReceived,
        PaymentDeclined,
        PaymentExpired,
        PaymentRefunded,
        LatePaymentReturned,
        Ticked,
    ),
    aggregates=(Aggregate("payments", Payment),),
    stream_of=lambda command: command.order_id,
    partition_by=lambda event: event.customer_id,
    event_time=lambda event: event.at,
    tick_after=timedelta(hours=1),
)
