"""The steps of the fulfilment: given the events so far, when this one comes, then these commands."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from msgspec import UNSET, UnsetType

from schemas import Command, Event, Money
from schemas.deliveries import BookDelivery, DeliveryCompleted, DeliveryDispatched, DeliveryFailed, FailDelivery
from schemas.orders import CancelOrder, DeliverOrder, Line, OrderCancelled, OrderPlaced, PayOrder, ShipOrder
from schemas.payments import (
    DeclinePayment,
    ExpirePayment,
    PaymentDeclined,
    PaymentExpired,
    PaymentReceived,
    RefundPayment,
    RequestPayment,
)
from streams.process import Refusal, Step
from streams.processes.fulfilment import PAY_WITHIN, Fulfilment, due, handle, refused

DAY = datetime(2026, 3, 1, tzinfo=UTC)
TEN = Money(Decimal("10.00"), "EUR")


def placed(order: str = "o", deliver_to: str | UnsetType = "DE") -> OrderPlaced:
    lines = (Line(None, 1, TEN),)
    return OrderPlaced(order_id=order, customer_id="c", lines=lines, items=1, total=TEN, at=DAY, deliver_to=deliver_to)


RECEIVED = PaymentReceived(order_id="o", customer_id="c", amount=TEN, at=DAY + timedelta(hours=1))
DECLINED = PaymentDeclined(order_id="o", customer_id="c", reason="no funds", at=DAY)
EXPIRED = PaymentExpired(order_id="o", customer_id="c", at=DAY + PAY_WITHIN)
DISPATCHED = DeliveryDispatched(order_id="o", customer_id="c", carrier="post", at=DAY + timedelta(hours=2))
COMPLETED = DeliveryCompleted(order_id="o", customer_id="c", at=DAY + timedelta(days=1))
CANCELLED = OrderCancelled(order_id="o", reason="changed my mind", items=1, total=TEN, at=DAY)


def failed(dispatched: bool) -> DeliveryFailed:
    return DeliveryFailed(order_id="o", customer_id="c", reason="lost", dispatched=dispatched, at=DAY)


def led(*events: Event) -> Step:
    """The last step after these events."""
    step = Step(None)
    for event in events:
        step = handle(step.state, event, None)  # type: ignore[arg-type]  # no step looks at the envelope
    return step


def kinds(step: Step) -> list[type[Command]]:
    return [type(command) for command in step.commands]


def no(command: str, rule: str, stream: str = "o") -> Refusal:
    return Refusal(command=command, stream=stream, id="~p:1", status=409, rule=rule, field="", detail="because")


def test_an_order_goes_its_way_from_placed_to_delivered() -> None:
    events = (placed(), RECEIVED, DISPATCHED, COMPLETED)
    steps = [led(*events[:count]) for count in range(1, 5)]
    assert [kinds(step) for step in steps] == [[RequestPayment], [PayOrder, BookDelivery], [ShipOrder], [DeliverOrder]]
    assert steps[0].deadlines == {"o": DAY + PAY_WITHIN}
    assert steps[1].deadlines == {"o": None}
    assert steps[3].state is None


def test_an_order_whose_steps_are_recorded_by_hand_is_left_alone() -> None:
    assert led(placed(deliver_to=UNSET)) == Step(None)
    assert led(placed(deliver_to=UNSET), RECEIVED) == Step(None)


@pytest.mark.parametrize(
    ("events", "undone"),
    [
        ((placed(), DECLINED), [CancelOrder]),
        ((placed(), EXPIRED), [CancelOrder]),
        ((placed(), RECEIVED, failed(False)), [RefundPayment, CancelOrder]),
        ((placed(), RECEIVED, DISPATCHED, failed(True)), [RefundPayment]),
        ((placed(), CANCELLED), [DeclinePayment]),
        ((placed(), RECEIVED, CANCELLED), [RefundPayment, FailDelivery]),
    ],
)
def test_what_cannot_go_on_is_undone(events: tuple[Event, ...], undone: list[type[Command]]) -> None:
    step = led(*events)
    assert kinds(step) == undone
    assert step.state is None
    assert step.deadlines == {"o": None}


def test_a_payment_that_is_not_there_at_its_deadline_is_asked_to_expire() -> None:
    state = led(placed()).state
    step = due(state, "o", DAY + PAY_WITHIN)  # type: ignore[arg-type]  # it is a Fulfilment
    assert step == Step(state, [ExpirePayment(order_id="o", at=DAY + PAY_WITHIN)])


def test_orders_of_one_customer_do_not_disturb_each_other() -> None:
    step = led(placed("o"), placed("other"), RECEIVED, DISPATCHED, COMPLETED)
    assert isinstance(step.state, Fulfilment)
    assert list(step.state.orders) == ["other"]
    assert kinds(step) == [DeliverOrder]


def test_where_no_delivery_can_be_booked_the_money_goes_back() -> None:
    step = refused(led(placed(), RECEIVED).state, no("BookDelivery", "no-carrier"))  # type: ignore[arg-type]
    assert kinds(step) == [RefundPayment, CancelOrder]
    assert step.state is None


@pytest.mark.parametrize(
    ("command", "rule", "follows"),
    [
        ("ExpirePayment", "payment-has-ended", []),
        ("PayOrder", "order-cancelled", []),
        ("ShipOrder", "order-cancelled", []),
        ("FailDelivery", "delivery-has-ended", []),
        ("DeclinePayment", "payment-has-ended", [RefundPayment]),
        ("BookDelivery", "no-carrier", []),
    ],
)
def test_whoever_was_faster_leads_on(command: str, rule: str, follows: list[type[Command]]) -> None:
    assert kinds(refused(None, no(command, rule))) == follows


def test_a_refusal_that_should_not_be_holds_the_customer() -> None:
    with pytest.raises(LookupError, match="PayOrder of o was refused"):
        refused(led(placed(), RECEIVED).state, no("PayOrder", "amount-mismatch"))  # type: ignore[arg-type]


def test_events_of_orders_that_are_not_under_way_change_nothing() -> None:
    late: list[Any] = [RECEIVED, DECLINED, EXPIRED, DISPATCHED, COMPLETED, CANCELLED, failed(True)]
    for event in late:
        assert led(event) == Step(None)
        assert led(placed("other"), event) == Step(led(placed("other")).state)
