"""The fold of deliveries: each as it stands."""

from typing import Any

from msgspec.structs import replace

from schemas import Envelope, Event
from schemas.deliveries import Delivery, DeliveryBooked, DeliveryCompleted, DeliveryDispatched, DeliveryFailed
from streams.fold import Fold, by_stream


def delivery(value: Delivery | None, event: Event, envelope: Envelope[Any]) -> Delivery | None:
    """The delivery after `event`. Raises LookupError for one that was never booked."""
    if isinstance(event, DeliveryBooked):
        return Delivery(
            order_id=event.order_id,
            customer_id=event.customer_id,
            country=event.country,
            status="booked",
            booked_at=event.at,
        )
    if value is None:
        raise LookupError(f"{type(event).__name__} of {envelope.subject} before it was booked")
    match event:
        case DeliveryDispatched():
            return replace(value, status="dispatched", carrier=event.carrier, dispatched_at=event.at)
        case DeliveryCompleted():
            return replace(value, status="completed", completed_at=event.at)
        case DeliveryFailed():
            return replace(value, status="failed", failed_at=event.at, reason=event.reason)
    return value


FOLDS = (Fold("deliveries", key=by_stream, fold=delivery),)
