"""Leads orders through payment and delivery; what cannot go on is undone.

Order placed, with `deliver_to` → request the payment → note it, book the delivery → shipped → delivered. Compensation:

- declined, or not paid within `PAY_WITHIN` of event time: the order is cancelled, and its pieces go back into stock;
- no delivery can be booked, or it fails before it is dispatched: the money is refunded and the order cancelled;
- the parcel is lost on its way: the money is refunded; the order stays shipped;
- the customer cancels: what was asked for is declined, what was paid is refunded, what was booked is not dispatched.

The process is one of a customer, since all three domains are kept in order by customer: its state has the customer's
orders that are under way.
"""

from datetime import datetime, timedelta
from typing import Any

from msgspec import UNSET, Struct
from msgspec.structs import replace

from schemas import Command, Envelope, deliveries, orders, payments
from streams.process import Input, Process, Refusal, Step

PAY_WITHIN = timedelta(hours=24)
# Refusals that are no surprise: someone else was faster, and what they did leads on by itself.
_OVERTAKEN = frozenset(
    {
        ("ExpirePayment", "payment-has-ended"),
        ("RefundPayment", "payment-not-received"),
        ("PayOrder", "order-cancelled"),
        ("ShipOrder", "order-cancelled"),
        ("CancelOrder", "order-cancelled"),
        ("FailDelivery", "delivery-has-ended"),
    }
)


class UnderWay(Struct, frozen=True):
    """An order under way: where it goes, whether it is paid, and the instant of its last step."""

    country: str
    at: datetime
    paid: bool = False


class Fulfilment(Struct, frozen=True):
    """A customer's orders that are under way, by their ids."""

    customer_id: str
    orders: dict[str, UnderWay]


def handle(state: Fulfilment | None, event: Any, _envelope: Envelope[Any]) -> Step:
    """What follows from an event; those of orders that are not under way here change nothing."""
    order, at = event.order_id, event.at
    if isinstance(event, orders.OrderPlaced):
        return _placed(state, event)
    under_way = None if state is None else state.orders.get(order)
    if state is None or under_way is None:
        return Step(state)
    match event:
        case payments.PaymentReceived(amount=amount):
            booked = deliveries.BookDelivery(
                order_id=order, customer_id=state.customer_id, country=under_way.country, at=at
            )
            paid = _with(state, order, replace(under_way, at=at, paid=True))
            return Step(paid, [orders.PayOrder(order_id=order, amount=amount, at=at), booked], {order: None})
        case payments.PaymentDeclined(reason=reason):
            return _ended(state, order, [_cancel(order, f"payment declined: {reason}", at)])
        case payments.PaymentExpired():
            return _ended(state, order, [_cancel(order, "not paid in time", at)])
        case deliveries.DeliveryDispatched(carrier=carrier):
            later = _with(state, order, replace(under_way, at=at))
            return Step(later, [orders.ShipOrder(order_id=order, carrier=carrier, at=at)])
        case deliveries.DeliveryCompleted():
            return _ended(state, order, [orders.DeliverOrder(order_id=order, at=at)])
        case deliveries.DeliveryFailed(reason=reason, dispatched=dispatched):
            cancel = [] if dispatched else [_cancel(order, f"not delivered: {reason}", at)]
            return _ended(state, order, [_refund(order, reason, at), *cancel])
        case orders.OrderCancelled(reason=reason):
            return _ended(state, order, _given_up(order, under_way, reason, at))
    raise TypeError(type(event).__name__)


def due(state: Fulfilment, name: str, instant: datetime) -> Step:
    """The payment of an order, which names the deadline, has not come. Its stream decides whether it expires."""
    return Step(state, [payments.ExpirePayment(order_id=name, at=instant)])


def refused(state: Fulfilment | None, refusal: Refusal) -> Step:
    """What follows from a refusal. Raises LookupError for one that should not be: somebody has to look at it."""
    if (refusal.command, refusal.rule) in _OVERTAKEN:
        return Step(state)
    order = refusal.stream
    under_way = None if state is None else state.orders.get(order)
    if refusal.command == "BookDelivery":
        if state is None or under_way is None:  # given up meanwhile, and the money goes back already
            return Step(state)
        at = under_way.at
        return _ended(state, order, [_refund(order, refusal.detail, at), _cancel(order, refusal.detail, at)])
    if (refusal.command, refusal.rule) == ("DeclinePayment", "payment-has-ended"):
        return Step(state, [payments.RefundPayment(order_id=order, reason="the order was given up")])
    raise LookupError(f"{refusal.command} of {order} was refused ({refusal.rule}): {refusal.detail}")


def _placed(state: Fulfilment | None, event: orders.OrderPlaced) -> Step:
    if event.deliver_to is UNSET:
        return Step(state)
    order, due_at = event.order_id, event.at + PAY_WITHIN
    ask = payments.RequestPayment(
        order_id=order, customer_id=event.customer_id, amount=event.total, due_at=due_at, at=event.at
    )
    known = state or Fulfilment(event.customer_id, {})
    return Step(_with(known, order, UnderWay(event.deliver_to, event.at)), [ask], {order: due_at})


def _with(state: Fulfilment, order: str, under_way: UnderWay) -> Fulfilment:
    return replace(state, orders={**state.orders, order: under_way})


def _ended(state: Fulfilment, order: str, commands: list[Command]) -> Step:
    """The order is under way no more; the process is over when it was the customer's last one."""
    left = {other: each for other, each in state.orders.items() if other != order}
    return Step(replace(state, orders=left) if left else None, commands, {order: None})


def _given_up(order: str, under_way: UnderWay, reason: str, at: datetime) -> list[Command]:
    """What undoes an order that was cancelled by someone else."""
    if not under_way.paid:
        return [payments.DeclinePayment(order_id=order, reason=f"order cancelled: {reason}", at=at)]
    stop = deliveries.FailDelivery(order_id=order, reason=f"order cancelled: {reason}", at=at)
    return [_refund(order, reason, at), stop]


def _cancel(order: str, reason: str, at: datetime) -> Command:
    return orders.CancelOrder(order_id=order, reason=reason, at=at)


def _refund(order: str, reason: str, at: datetime) -> Command:
    return payments.RefundPayment(order_id=order, reason=reason, at=at)


PROCESS = Process(
    name="fulfilment",
    state=Fulfilment,
    inputs=(
        Input(domain=orders.DOMAIN, events=(orders.OrderPlaced, orders.OrderCancelled)),
        Input(
            domain=payments.DOMAIN,
            events=(payments.PaymentReceived, payments.PaymentDeclined, payments.PaymentExpired),
        ),
        Input(
            domain=deliveries.DOMAIN,
            events=(deliveries.DeliveryDispatched, deliveries.DeliveryCompleted, deliveries.DeliveryFailed),
        ),
    ),
    commands=(orders.DOMAIN, payments.DOMAIN, deliveries.DOMAIN),
    handle=handle,
    due=due,
    refused=refused,
)
