"""An order is placed once, and ends once."""

from typing import Any

from producers.decider import Decider, Facts
from schemas import Refused
from tests.saga.shop import CancelOrder, CompleteOrder, OrderCancelled, OrderCompleted, OrderPlaced, PlaceOrder


def decide(state: str | None, command: Any, _facts: Facts) -> tuple[Any, ...]:
    if isinstance(command, PlaceOrder):
        if state is not None:
            raise Refused("the order is there already", rule="order-exists")
        order, customer = command.order_id, command.customer_id
        return (OrderPlaced(order_id=order, customer_id=customer, amount=command.amount, at=command.at),)
    if state != "placed":
        raise Refused(f"the order is {state}", rule="order-ended")
    if isinstance(command, CancelOrder):
        return (OrderCancelled(order_id=command.order_id, reason=command.reason, at=command.at),)
    assert isinstance(command, CompleteOrder)
    return (OrderCompleted(order_id=command.order_id, at=command.at),)


def evolve(_state: str | None, event: Any) -> str:
    return "placed" if isinstance(event, OrderPlaced) else "ended"


DECIDER = Decider(decide, evolve)
