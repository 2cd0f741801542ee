"""The rules of a delivery.

It is booked once, into a country that is delivered to, then dispatched, then completed. Until it is completed it may
fail, also before it is dispatched.
"""

from datetime import datetime

from msgspec import Struct
from msgspec.structs import replace

from producers.decider import Decider, Facts
from schemas import Command, Event, NotFound, Refused
from schemas.deliveries import (
    BookDelivery,
    CompleteDelivery,
    DeliveryBooked,
    DeliveryCompleted,
    DeliveryDispatched,
    DeliveryFailed,
    DeliveryStatus,
    DispatchDelivery,
    FailDelivery,
)

# Countries that no carrier of ours goes to: Antarctica, Bouvet Island, Heard and McDonald Islands.
UNSERVED = frozenset({"AQ", "BV", "HM"})


class State(Struct, frozen=True, gc=False):
    """What the rules need to know of a delivery; `at` is the date of its last step."""

    customer_id: str
    status: DeliveryStatus
    at: datetime


def decide(state: State | None, command: Command, facts: Facts) -> tuple[Event, ...]:
    """The events of a command. Raises Refused or NotFound with the rule that forbids it."""
    if isinstance(command, BookDelivery):
        return (_book(state, command, facts),)
    assert isinstance(command, DispatchDelivery | CompleteDelivery | FailDelivery)
    order = command.order_id
    if state is None:
        raise NotFound(f"no delivery of order {order} was booked", rule="delivery-not-booked", field="order_id")
    if state.status in ("completed", "failed"):
        raise Refused(f"the delivery of {order} has {state.status}", rule="delivery-has-ended")
    customer, at = state.customer_id, max(state.at, command.at or facts.now)
    match command:
        case DispatchDelivery(carrier=carrier):
            if state.status == "dispatched":
                raise Refused(f"the delivery of {order} was already dispatched", rule="delivery-already-dispatched")
            return (DeliveryDispatched(order_id=order, customer_id=customer, carrier=carrier, at=at),)
        case CompleteDelivery():
            if state.status != "dispatched":
                raise Refused(f"the delivery of {order} was not dispatched", rule="delivery-not-dispatched")
            return (DeliveryCompleted(order_id=order, customer_id=customer, at=at),)
        case FailDelivery(reason=reason):
            left = state.status == "dispatched"
            return (DeliveryFailed(order_id=order, customer_id=customer, reason=reason, dispatched=left, at=at),)


def evolve(state: State | None, event: Event) -> State | None:
    """The state after an event."""
    match event:
        case DeliveryBooked():
            return State(event.customer_id, "booked", event.at)
        case DeliveryDispatched():
            return _step(state, "dispatched", event.at)
        case DeliveryCompleted():
            return _step(state, "completed", event.at)
        case DeliveryFailed():
            return _step(state, "failed", event.at)
    return state


def _step(state: State | None, status: DeliveryStatus, at: datetime) -> State | None:
    return state and replace(state, status=status, at=at)


def _book(state: State | None, command: BookDelivery, facts: Facts) -> DeliveryBooked:
    if state is not None:
        raise Refused(f"the delivery of {command.order_id} was already booked", rule="delivery-already-booked")
    if command.country in UNSERVED:
        raise Refused(f"no carrier goes to {command.country}", rule="no-carrier", field="country")
    return DeliveryBooked(
        order_id=command.order_id,
        customer_id=command.customer_id,
        country=command.country,
        at=command.at or facts.now,
    )


DECIDER = Decider(decide, evolve, state=State)
