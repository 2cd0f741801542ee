"""The rules of a payment.

It is requested once. Then it is received in full, declined, or expires, which it may when it was due. What was received
is refunded once. Money that comes when the payment has ended otherwise is given back, and nothing else changes.
"""

from datetime import datetime

from msgspec import Struct
from msgspec.structs import replace

from producers.decider import Decider, Facts
from schemas import Command, Event, Money, NotFound, Refused
from schemas.payments import (
    DeclinePayment,
    ExpirePayment,
    LatePaymentReturned,
    PaymentDeclined,
    PaymentExpired,
    PaymentReceived,
    PaymentRefunded,
    PaymentRequested,
    PaymentStatus,
    ReceivePayment,
    RefundPayment,
    RequestPayment,
)


class State(Struct, frozen=True, gc=False):
    """What the rules need to know of a payment; `at` is the date of its last step."""

    customer_id: str
    status: PaymentStatus
    amount: Money
    due_at: datetime
    at: datetime


def decide(state: State | None, command: Command, facts: Facts) -> tuple[Event, ...]:
    """The events of a command. Raises Refused or NotFound with the rule that forbids it."""
    if isinstance(command, RequestPayment):
        return (_request(state, command, facts),)
    assert isinstance(command, ReceivePayment | DeclinePayment | ExpirePayment | RefundPayment)
    order = command.order_id
    if state is None:
        raise NotFound(f"no payment of order {order} was requested", rule="payment-not-requested", field="order_id")
    customer, at = state.customer_id, max(state.at, command.at or facts.now)
    match command:
        case ReceivePayment(amount=amount):
            return (_receive(state, command, amount, at),)
        case DeclinePayment(reason=reason):
            _still_requested(state, order)
            return (PaymentDeclined(order_id=order, customer_id=customer, reason=reason, at=at),)
        case ExpirePayment():
            _still_requested(state, order)
            if at < state.due_at:
                raise Refused(f"the payment of {order} is due at {state.due_at}", rule="payment-not-due", field="at")
            return (PaymentExpired(order_id=order, customer_id=customer, at=at),)
        case RefundPayment(reason=reason):
            if state.status == "refunded":
                raise Refused(f"the payment of {order} was already refunded", rule="payment-already-refunded")
            if state.status != "received":
                raise Refused(f"the payment of {order} was not received", rule="payment-not-received")
            return (PaymentRefunded(order_id=order, customer_id=customer, amount=state.amount, reason=reason, at=at),)


def evolve(state: State | None, event: Event) -> State | None:
    """The state after an event."""
    match event:
        case PaymentRequested():
            return State(event.customer_id, "requested", event.amount, event.due_at, event.at)
        case PaymentReceived():
            return _step(state, "received", event.at)
        case PaymentDeclined():
            return _step(state, "declined", event.at)
        case PaymentExpired():
            return _step(state, "expired", event.at)
        case PaymentRefunded():
            return _step(state, "refunded", event.at)
    return state


def _step(state: State | None, status: PaymentStatus, at: datetime) -> State | None:
    return state and replace(state, status=status, at=at)


def _request(state: State | None, command: RequestPayment, facts: Facts) -> PaymentRequested:
    if state is not None:
        raise Refused(f"the payment of {command.order_id} was already requested", rule="payment-already-requested")
    at = command.at or facts.now
    if command.due_at < at:
        raise Refused(f"the payment is due at {command.due_at}, before {at}", rule="due-in-the-past", field="due_at")
    return PaymentRequested(
        order_id=command.order_id,
        customer_id=command.customer_id,
        amount=command.amount,
        due_at=command.due_at,
        at=at,
    )


def _receive(
    state: State, command: ReceivePayment, amount: Money, at: datetime
) -> PaymentReceived | LatePaymentReturned:
    order, customer = command.order_id, state.customer_id
    if state.status == "received":
        raise Refused(f"the payment of {order} was already received", rule="payment-already-received")
    if amount != state.amount:
        raise Refused(
            f"{amount.amount} {amount.currency} came, {state.amount.amount} {state.amount.currency} were asked for",
            rule="amount-mismatch" if amount.currency == state.amount.currency else "currency-mismatch",
            field="amount",
        )
    if state.status != "requested":
        return LatePaymentReturned(order_id=order, customer_id=customer, amount=amount, at=at)
    return PaymentReceived(order_id=order, customer_id=customer, amount=amount, at=at)


def _still_requested(state: State, order: str) -> None:
    if state.status != "requested":
        raise Refused(f"the payment of {order} is {state.status}", rule="payment-has-ended")


DECIDER = Decider(decide, evolve, state=State)
