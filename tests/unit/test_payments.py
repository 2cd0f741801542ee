"""The rules of payments: given these commands before, when this one comes, then these events or this refusal."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import reduce
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from producers.decider import Facts
from producers.domains.payments import State, decide, evolve
from schemas import Command, HeadraceError, Money, Refused
from schemas.payments import (
    DeclinePayment,
    ExpirePayment,
    LatePaymentReturned,
    PaymentDeclined,
    PaymentExpired,
    PaymentReceived,
    PaymentRefunded,
    PaymentRequested,
    ReceivePayment,
    RefundPayment,
    RequestPayment,
)

DAY = datetime(2026, 3, 1, tzinfo=UTC)
DUE = DAY + timedelta(days=1)
NOW = Facts(now=DAY)
TEN = Money(Decimal("10.00"), "EUR")

REQUEST = RequestPayment(order_id="o", customer_id="c", amount=TEN, due_at=DUE, at=DAY)
RECEIVE = ReceivePayment(order_id="o", amount=TEN, at=DAY + timedelta(hours=1))
DECLINE = DeclinePayment(order_id="o", reason="no funds", at=DAY + timedelta(hours=1))
EXPIRE = ExpirePayment(order_id="o", at=DUE)
REFUND = RefundPayment(order_id="o", reason="lost", at=DUE)


def after(*commands: Command) -> State | None:
    """The state after commands that must all be accepted."""

    def step(state: State | None, command: Command) -> State | None:
        return reduce(evolve, decide(state, command, NOW), state)

    return reduce(step, commands, None)


@pytest.mark.parametrize(
    ("before", "command", "event"),
    [
        ((), REQUEST, PaymentRequested),
        ((REQUEST,), RECEIVE, PaymentReceived),
        ((REQUEST,), DECLINE, PaymentDeclined),
        ((REQUEST,), EXPIRE, PaymentExpired),
        ((REQUEST, RECEIVE), REFUND, PaymentRefunded),
        ((REQUEST, EXPIRE), RECEIVE, LatePaymentReturned),
        ((REQUEST, DECLINE), RECEIVE, LatePaymentReturned),
    ],
)
def test_a_payment_takes_each_step_that_is_its_next(
    before: tuple[Command, ...], command: Command, event: type[Any]
) -> None:
    [made] = decide(after(*before), command, NOW)
    assert type(made) is event
    assert (made.order_id, made.customer_id) == ("o", "c")  # type: ignore[attr-defined]  # all have them


@pytest.mark.parametrize(
    ("before", "command", "rule"),
    [
        ((), RECEIVE, "payment-not-requested"),
        ((REQUEST,), REQUEST, "payment-already-requested"),
        ((REQUEST, RECEIVE), RECEIVE, "payment-already-received"),
        ((REQUEST, RECEIVE), DECLINE, "payment-has-ended"),
        ((REQUEST, RECEIVE), EXPIRE, "payment-has-ended"),
        ((REQUEST,), ExpirePayment(order_id="o", at=DAY + timedelta(hours=23)), "payment-not-due"),
        ((REQUEST,), REFUND, "payment-not-received"),
        ((REQUEST, RECEIVE, REFUND), REFUND, "payment-already-refunded"),
        ((REQUEST,), ReceivePayment(order_id="o", amount=Money(Decimal("9.99"), "EUR")), "amount-mismatch"),
        ((REQUEST,), ReceivePayment(order_id="o", amount=Money(Decimal("10.00"), "USD")), "currency-mismatch"),
        (
            (),
            RequestPayment(order_id="o", customer_id="c", amount=TEN, due_at=DAY - timedelta(hours=1)),
            "due-in-the-past",
        ),
    ],
)
def test_every_rule_of_a_payment_refuses_by_its_name(before: tuple[Command, ...], command: Command, rule: str) -> None:
    with pytest.raises(HeadraceError) as refused:
        decide(after(*before), command, NOW)
    assert refused.value.rule == rule


def test_no_step_of_a_payment_is_before_the_one_before_it() -> None:
    [event] = decide(after(REQUEST, RECEIVE), RefundPayment(order_id="o", reason="x", at=DAY - timedelta(days=9)), NOW)
    assert isinstance(event, PaymentRefunded)
    assert event.at == RECEIVE.at


@given(st.lists(st.sampled_from([REQUEST, RECEIVE, DECLINE, EXPIRE, REFUND]), max_size=12))
def test_whatever_is_commanded_money_is_kept_at_most_once_and_given_back_at_most_once(commands: list[Command]) -> None:
    state, events = None, list[Any]()
    for command in commands:
        try:
            made = decide(state, command, NOW)
        except (Refused, HeadraceError):
            continue
        events += made
        state = reduce(evolve, made, state)
    kinds = [type(event) for event in events]
    assert kinds.count(PaymentReceived) <= 1
    assert kinds.count(PaymentRefunded) <= kinds.count(PaymentReceived)
    assert kinds.count(PaymentDeclined) + kinds.count(PaymentExpired) + kinds.count(PaymentReceived) <= 1
