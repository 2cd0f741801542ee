"""An order is paid, shipped and delivered; what cannot go on is made undone."""

from datetime import datetime, timedelta
from typing import Any, Literal

from msgspec import Struct
from msgspec.structs import replace

from schemas import Envelope
from streams.process import Input, Process, Refusal, Step
from tests.saga import deliveries, payments, shop
from tests.saga.deliveries import Delivered, Ship, Shipped
from tests.saga.payments import PaymentReceived, RefundPayment, RequestPayment
from tests.saga.shop import CancelOrder, CompleteOrder, OrderPlaced

PAY_WITHIN = timedelta(hours=1)


class Fulfilment(Struct, frozen=True, kw_only=True):
    """Where an order stands. `placed_at` is unknown as long as only its money has come."""

    order_id: str
    status: Literal["unknown", "unpaid", "paid", "shipped", "cancelled"]
    paid_at: datetime | None = None


def handle(state: Fulfilment | None, event: Any, _envelope: Envelope[Any]) -> Step:
    order, at = event.order_id, event.at
    match event:
        case OrderPlaced(amount=amount):
            if state is not None:  # its money came first
                return Step(replace(state, status="paid"), [Ship(order_id=order, at=at)])
            asked = RequestPayment(order_id=order, amount=amount, at=at)
            return Step(Fulfilment(order_id=order, status="unpaid"), [asked], {"payment": at + PAY_WITHIN})
        case PaymentReceived():
            if state is None:
                return Step(Fulfilment(order_id=order, status="unknown", paid_at=at))
            if state.status == "cancelled":
                return Step(state, [RefundPayment(order_id=order, at=at)])
            return Step(replace(state, status="paid", paid_at=at), [Ship(order_id=order, at=at)], {"payment": None})
        case Shipped():
            return Step(state and replace(state, status="shipped"))
        case Delivered():
            return Step(None, [CompleteOrder(order_id=order, at=at)])
    raise TypeError(type(event).__name__)


def due(state: Fulfilment, name: str, instant: datetime) -> Step:
    assert name == "payment"
    cancel = CancelOrder(order_id=state.order_id, reason="not paid", at=instant)
    return Step(replace(state, status="cancelled"), [cancel])


def refused(state: Fulfilment | None, refusal: Refusal) -> Step:
    assert state is not None
    at = state.paid_at or datetime.fromisoformat("2026-01-01T00:00:00Z")
    cancel = CancelOrder(order_id=refusal.stream, reason=refusal.rule, at=at)
    cancelled = replace(state, status="cancelled")
    if refusal.command == "RequestPayment":
        return Step(cancelled, [cancel], {"payment": None})
    if refusal.command == "Ship":
        return Step(cancelled, [RefundPayment(order_id=state.order_id, at=at), cancel])
    return Step(state)


PROCESS = Process(
    name="fulfilment",
    state=Fulfilment,
    inputs=(
        Input(domain=shop.DOMAIN, events=(OrderPlaced,), route="by_order"),
        Input(domain=payments.DOMAIN, events=(PaymentReceived,)),
        Input(domain=deliveries.DOMAIN, events=(Shipped, Delivered)),
    ),
    commands=(shop.DOMAIN, payments.DOMAIN, deliveries.DOMAIN),
    handle=handle,
    due=due,
    refused=refused,
)
