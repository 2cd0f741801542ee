"""The rules of an order.

It is placed once, paid once in full, then shipped, then delivered. It may be cancelled until it is shipped, also when
it was paid: the refund is not a matter of this domain, which is why the event of the cancellation carries the total,
and the pieces that go back into the stock.
After a cancellation nothing follows. No step happens before the step before it; a command without a date happens
now, or with the step before it when that lies ahead of our clock.
"""

from datetime import datetime
from decimal import Decimal

from msgspec import Struct
from msgspec.structs import replace

from producers.decider import Facts
from producers.domains.orders.catalogue import check_line
from schemas import Event, Money, NotFound, Refused
from schemas.orders import (
    PRODUCT,
    CancelOrder,
    DeliverOrder,
    Line,
    OrderCancelled,
    OrderDelivered,
    OrderPaid,
    OrderPlaced,
    OrderShipped,
    PayOrder,
    PlaceOrder,
    ShipOrder,
    Status,
)

OrderCommand = PlaceOrder | PayOrder | ShipOrder | DeliverOrder | CancelOrder


class State(Struct, frozen=True, gc=False, tag="order"):
    """What the rules need to know of an order: `at` is the date of its last step, `pieces` are those from the stock."""

    status: Status
    items: int
    total: Money
    at: datetime
    pieces: dict[str, int] = {}


def decide(state: State | None, command: OrderCommand, facts: Facts) -> tuple[Event, ...]:
    """The events of a command. Raises Refused or NotFound with the rule that forbids it."""
    if command.order_id.startswith(PRODUCT):
        raise Refused(f"no order may be called {PRODUCT}…", rule="reserved-name", field="order_id")
    match command:
        case PlaceOrder():
            return (_place(state, command, facts),)
        case PayOrder():
            return (_pay(_open(state, command), command, facts),)
        case ShipOrder():
            return (_ship(_open(state, command), command, facts),)
        case DeliverOrder():
            return (_deliver(_open(state, command), command, facts),)
        case CancelOrder():
            return (_cancel(_open(state, command), command, facts),)


def evolve(state: State | None, event: Event) -> State | None:
    """The state after an event."""
    match event:
        case OrderPlaced():
            return State("placed", event.items, event.total, event.at, pieces(event.lines))
        case OrderPaid():
            return _step(state, "paid", event.at)
        case OrderShipped():
            return _step(state, "shipped", event.at)
        case OrderDelivered():
            return _step(state, "delivered", event.at)
        case OrderCancelled():
            return _step(state, "cancelled", event.at)
    return state


def pieces(lines: tuple[Line, ...]) -> dict[str, int]:
    """How many pieces of each product of the catalogue the lines have, by SKU."""
    counted: dict[str, int] = {}
    for line in lines:
        if line.sku is not None:
            counted[line.sku] = counted.get(line.sku, 0) + line.quantity
    return counted


def _step(state: State | None, status: Status, at: datetime) -> State | None:
    return state and replace(state, status=status, at=at)


def _open(state: State | None, command: OrderCommand) -> State:
    if state is None:
        raise NotFound(f"order {command.order_id} has not been placed", rule="order-not-placed", field="order_id")
    if state.status == "cancelled":
        raise Refused(f"order {command.order_id} was cancelled", rule="order-cancelled")
    return state


def _place(state: State | None, command: PlaceOrder, facts: Facts) -> OrderPlaced:
    if state is not None:
        raise Refused(f"order {command.order_id} was already placed", rule="order-already-placed")
    currency = command.total.currency
    total, items = Decimal(0), 0
    for number, line in enumerate(command.lines):
        if line.price.currency != currency:
            raise Refused(
                f"the line is in {line.price.currency}, the total in {currency}: an order has one currency",
                rule="one-currency",
                field=f"lines[{number}].price.currency",
            )
        if line.sku is not None:
            check_line(number, line, facts)
        total += line.price.amount
        items += line.quantity
    if total != command.total.amount:
        raise Refused(
            f"the lines add up to {total}, the total says {command.total.amount}",
            rule="total-mismatch",
            field="total",
        )
    return OrderPlaced(
        order_id=command.order_id,
        customer_id=command.customer_id,
        lines=command.lines,
        items=items,
        total=command.total,
        at=command.at or facts.now,
        deliver_to=command.deliver_to,
    )


def _pay(state: State, command: PayOrder, facts: Facts) -> OrderPaid:
    if state.status != "placed":
        raise Refused(f"order {command.order_id} was already paid", rule="order-already-paid")
    if command.amount != state.total:
        raise Refused(
            f"the payment is {_money(command.amount)}, the total is {_money(state.total)}",
            rule="amount-mismatch" if command.amount.currency == state.total.currency else "currency-mismatch",
            field="amount",
        )
    return OrderPaid(order_id=command.order_id, amount=command.amount, at=_at(state, command.at, facts))


def _ship(state: State, command: ShipOrder, facts: Facts) -> OrderShipped:
    if state.status == "placed":
        raise Refused(f"order {command.order_id} has not been paid", rule="order-not-paid")
    if state.status != "paid":
        raise Refused(f"order {command.order_id} was already shipped", rule="order-already-shipped")
    return OrderShipped(order_id=command.order_id, carrier=command.carrier, at=_at(state, command.at, facts))


def _deliver(state: State, command: DeliverOrder, facts: Facts) -> OrderDelivered:
    if state.status == "delivered":
        raise Refused(f"order {command.order_id} was already delivered", rule="order-already-delivered")
    if state.status != "shipped":
        raise Refused(f"order {command.order_id} has not been shipped", rule="order-not-shipped")
    return OrderDelivered(order_id=command.order_id, at=_at(state, command.at, facts))


def _cancel(state: State, command: CancelOrder, facts: Facts) -> OrderCancelled:
    if state.status not in ("placed", "paid"):
        raise Refused(f"order {command.order_id} was already shipped", rule="order-already-shipped")
    return OrderCancelled(
        order_id=command.order_id,
        reason=command.reason,
        items=state.items,
        total=state.total,
        at=_at(state, command.at, facts),
        pieces=state.pieces,
    )


def _at(state: State, at: datetime | None, facts: Facts) -> datetime:
    if at is None:
        return max(facts.now, state.at)
    if at < state.at:
        raise Refused(
            f"the step is dated {at.isoformat()}, the one before it {state.at.isoformat()}",
            rule="date-goes-back",
            field="at",
        )
    return at


def _money(money: Money) -> str:
    return f"{money.amount} {money.currency}"
