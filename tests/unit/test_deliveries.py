"""The rules of deliveries: given these commands before, when this one comes, then these events or this refusal."""

from datetime import UTC, datetime, timedelta
from functools import reduce
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from producers.decider import Facts
from producers.domains.deliveries import State, decide, evolve
from schemas import Command, HeadraceError
from schemas.deliveries import (
    BookDelivery,
    CompleteDelivery,
    DeliveryBooked,
    DeliveryCompleted,
    DeliveryDispatched,
    DeliveryFailed,
    DispatchDelivery,
    FailDelivery,
)

DAY = datetime(2026, 3, 1, tzinfo=UTC)
NOW = Facts(now=DAY)

BOOK = BookDelivery(order_id="o", customer_id="c", country="DE", at=DAY)
DISPATCH = DispatchDelivery(order_id="o", carrier="post", at=DAY + timedelta(hours=2))
COMPLETE = CompleteDelivery(order_id="o", at=DAY + timedelta(days=1))
FAIL = FailDelivery(order_id="o", reason="lost", at=DAY + timedelta(days=1))


def after(*commands: Command) -> State | None:
    """The state after commands that must all be accepted."""

    def step(state: State | None, command: Command) -> State | None:
        return reduce(evolve, decide(state, command, NOW), state)

    return reduce(step, commands, None)


@pytest.mark.parametrize(
    ("before", "command", "event"),
    [
        ((), BOOK, DeliveryBooked),
        ((BOOK,), DISPATCH, DeliveryDispatched),
        ((BOOK, DISPATCH), COMPLETE, DeliveryCompleted),
        ((BOOK,), FAIL, DeliveryFailed),
        ((BOOK, DISPATCH), FAIL, DeliveryFailed),
    ],
)
def test_a_delivery_takes_each_step_that_is_its_next(
    before: tuple[Command, ...], command: Command, event: type[Any]
) -> None:
    [made] = decide(after(*before), command, NOW)
    assert type(made) is event
    assert (made.order_id, made.customer_id) == ("o", "c")  # type: ignore[attr-defined]  # all have them


def test_a_failure_says_whether_the_parcel_had_left() -> None:
    for before, left in (((BOOK,), False), ((BOOK, DISPATCH), True)):
        [event] = decide(after(*before), FAIL, NOW)
        assert isinstance(event, DeliveryFailed)
        assert event.dispatched is left


@pytest.mark.parametrize(
    ("before", "command", "rule"),
    [
        ((), DISPATCH, "delivery-not-booked"),
        ((BOOK,), BOOK, "delivery-already-booked"),
        ((), BookDelivery(order_id="o", customer_id="c", country="AQ"), "no-carrier"),
        ((BOOK, DISPATCH), DISPATCH, "delivery-already-dispatched"),
        ((BOOK,), COMPLETE, "delivery-not-dispatched"),
        ((BOOK, FAIL), DISPATCH, "delivery-has-ended"),
        ((BOOK, DISPATCH, COMPLETE), FAIL, "delivery-has-ended"),
    ],
)
def test_every_rule_of_a_delivery_refuses_by_its_name(before: tuple[Command, ...], command: Command, rule: str) -> None:
    with pytest.raises(HeadraceError) as refused:
        decide(after(*before), command, NOW)
    assert refused.value.rule == rule


@given(st.lists(st.sampled_from([BOOK, DISPATCH, COMPLETE, FAIL]), max_size=12))
def test_whatever_is_commanded_a_delivery_ends_once_and_arrives_only_when_it_left(commands: list[Command]) -> None:
    state, kinds = None, list[type[Any]]()
    for command in commands:
        try:
            made = decide(state, command, NOW)
        except HeadraceError:
            continue
        kinds += [type(event) for event in made]
        state = reduce(evolve, made, state)
    assert kinds.count(DeliveryCompleted) + kinds.count(DeliveryFailed) <= 1
    assert kinds.count(DeliveryCompleted) <= kinds.count(DeliveryDispatched) <= kinds.count(DeliveryBooked) <= 1
