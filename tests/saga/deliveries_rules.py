"""Nothing is shipped to nowhere."""

from typing import Any

from producers.decider import Decider, Facts
from schemas import Refused
from tests.saga.deliveries import Deliver, Delivered, Ship, Shipped


def decide(_state: None, command: Any, _facts: Facts) -> tuple[Any, ...]:
    match command:
        case Ship(order_id=order, at=at):
            if order.startswith("nowhere"):
                raise Refused("no carrier goes there", rule="no-carrier")
            return (Shipped(order_id=order, at=at),)
        case Deliver(order_id=order, at=at):
            return (Delivered(order_id=order, at=at),)
    raise TypeError(type(command).__name__)


DECIDER = Decider(decide, lambda *_: None)
