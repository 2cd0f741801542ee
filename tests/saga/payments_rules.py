"""Large amounts are refused. Asked and given back as often as that is commanded, so that each effect is seen."""

from typing import Any

from producers.decider import Decider, Facts
from schemas import Refused
from tests.saga.payments import (
    PaymentReceived,
    PaymentRefunded,
    PaymentRequested,
    ReceivePayment,
    RefundPayment,
    RequestPayment,
)


def decide(_state: None, command: Any, _facts: Facts) -> tuple[Any, ...]:
    match command:
        case RequestPayment(order_id=order, amount=amount, at=at):
            if amount > 1000:
                raise Refused(f"{amount} is too much", rule="too-much")
            return (PaymentRequested(order_id=order, amount=amount, at=at),)
        case ReceivePayment(order_id=order, at=at):
            return (PaymentReceived(order_id=order, at=at),)
        case RefundPayment(order_id=order, at=at):
            return (PaymentRefunded(order_id=order, at=at),)
    raise TypeError(type(command).__name__)


DECIDER = Decider(decide, lambda *_: None)
