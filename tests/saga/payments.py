"""Payments of orders: requested, received, given back."""

from datetime import timedelta

from schemas import Command, Domain, Event, Id, Instant, Ticked


class RequestPayment(Command, frozen=True, kw_only=True):
    """Ask the customer for money."""

    order_id: Id
    amount: int
    at: Instant


class ReceivePayment(Command, frozen=True, kw_only=True):
    """The money has come."""

    order_id: Id
    at: Instant


class RefundPayment(Command, frozen=True, kw_only=True):
    """Give the money back."""

    order_id: Id
    at: Instant


class PaymentRequested(Event, frozen=True, kw_only=True):
    """The customer was asked for money."""

    order_id: str
    amount: int
    at: Instant


class PaymentReceived(Event, frozen=True, kw_only=True):
    """The money has come."""

    order_id: str
    at: Instant


class PaymentRefunded(Event, frozen=True, kw_only=True):
    """The money was given back."""

    order_id: str
    at: Instant


DOMAIN = Domain(
    name="payments",
    commands=(RequestPayment, ReceivePayment, RefundPayment),
    events=(PaymentRequested, PaymentReceived, PaymentRefunded, Ticked),
    aggregates=(),
    stream_of=lambda command: command.order_id,
    event_time=lambda event: event.at,
    tick_after=timedelta(seconds=1),
    command_retention=timedelta(days=30),
)
