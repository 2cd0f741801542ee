"""The fold of payments: each as it stands."""

from typing import Any

from msgspec.structs import replace

from schemas import Envelope, Event
from schemas.payments import (
    LatePaymentReturned,
    Payment,
    PaymentDeclined,
    PaymentExpired,
    PaymentReceived,
    PaymentRefunded,
    PaymentRequested,
)
from streams.fold import Fold, by_stream


def payment(value: Payment | None, event: Event, envelope: Envelope[Any]) -> Payment | None:
    """The payment after `event`. Raises LookupError for one that was never requested."""
    if isinstance(event, PaymentRequested):
        return Payment(
            order_id=event.order_id,
            customer_id=event.customer_id,
            status="requested",
            amount=event.amount,
            requested_at=event.at,
            due_at=event.due_at,
        )
    if value is None:
        raise LookupError(f"{type(event).__name__} of {envelope.subject} before its request")
    match event:
        case PaymentReceived():
            return replace(value, status="received", received_at=event.at)
        case PaymentDeclined():
            return replace(value, status="declined", ended_at=event.at, reason=event.reason)
        case PaymentExpired():
            return replace(value, status="expired", ended_at=event.at)
        case PaymentRefunded():
            return replace(value, status="refunded", ended_at=event.at, reason=event.reason)
        case LatePaymentReturned():
            return replace(value, returned=value.returned + 1)
    return value


FOLDS = (Fold("payments", key=by_stream, fold=payment),)
