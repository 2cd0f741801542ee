"""The rules of orders: given these commands before, when this one comes, then these events or this refusal."""

from datetime import timedelta
from decimal import Decimal
from functools import reduce

import pytest
from hypothesis import given
from hypothesis import strategies as st

from producers.decider import Facts
from producers.domains.orders.order import OrderCommand, State, decide, evolve
from schemas import Command, Event, Money, NotFound, Refused
from schemas.orders import (
    DeliverOrder,
    Line,
    OrderCancelled,
    OrderDelivered,
    OrderPaid,
    OrderPlaced,
    OrderShipped,
    PayOrder,
    PlaceOrder,
)
from tests.order_commands import DAY, cancel, deliver, money, pay, place, ship

NOW = Facts(now=DAY + timedelta(days=30))


def after(*commands: OrderCommand) -> State | None:
    """The order's state after commands that must all be accepted."""

    def step(state: State | None, command: OrderCommand) -> State | None:
        return reduce(evolve, decide(state, command, NOW), state)

    return reduce(step, commands, None)


def test_an_order_goes_its_way_from_placed_to_delivered() -> None:
    commands: tuple[OrderCommand, ...] = (place(), pay(), ship(), deliver())
    events = [decide(after(*commands[:n]), command, NOW)[0] for n, command in enumerate(commands)]
    assert [type(event) for event in events] == [OrderPlaced, OrderPaid, OrderShipped, OrderDelivered]
    final = after(*commands)
    assert final is not None
    assert final.status == "delivered"


def test_the_event_of_a_placed_order_carries_its_lines_and_the_number_of_items() -> None:
    lines = (Line(None, 2, money("4.00")), Line(None, 3, money("6.50")))
    command = PlaceOrder(order_id="o1", customer_id="c1", lines=lines, total=money("10.50"), at=DAY)
    assert decide(None, command, NOW) == (
        OrderPlaced(order_id="o1", customer_id="c1", lines=lines, items=5, total=money("10.50"), at=DAY),
    )


@pytest.mark.parametrize("before", [(place(),), (place(), pay())])
def test_an_order_can_be_cancelled_until_it_is_shipped_and_the_event_says_what_it_was_worth(
    before: tuple[OrderCommand, ...],
) -> None:
    [event] = decide(after(*before), cancel(), NOW)
    assert isinstance(event, OrderCancelled)
    assert (event.items, event.total) == (2, money())


REFUSALS: list[tuple[tuple[Command, ...], Command, type[Exception], str, str]] = [
    ((), pay(), NotFound, "order-not-placed", "order_id"),
    ((), ship(), NotFound, "order-not-placed", "order_id"),
    ((), deliver(), NotFound, "order-not-placed", "order_id"),
    ((), cancel(), NotFound, "order-not-placed", "order_id"),
    ((place(),), place(), Refused, "order-already-placed", ""),
    ((place(), cancel()), place(), Refused, "order-already-placed", ""),
    ((place(), pay()), pay(), Refused, "order-already-paid", ""),
    ((place(), pay(), ship()), pay(), Refused, "order-already-paid", ""),
    ((place(),), pay(amount="9.99"), Refused, "amount-mismatch", "amount"),
    ((place(),), pay(currency="USD"), Refused, "currency-mismatch", "amount"),
    ((place(),), ship(), Refused, "order-not-paid", ""),
    ((place(), pay(), ship()), ship(), Refused, "order-already-shipped", ""),
    ((place(),), deliver(), Refused, "order-not-shipped", ""),
    ((place(), pay()), deliver(), Refused, "order-not-shipped", ""),
    ((place(), pay(), ship(), deliver()), deliver(), Refused, "order-already-delivered", ""),
    ((place(), pay(), ship()), cancel(), Refused, "order-already-shipped", ""),
    ((place(), pay(), ship(), deliver()), cancel(), Refused, "order-already-shipped", ""),
    *(((place(), cancel()), c, Refused, "order-cancelled", "") for c in (pay(), ship(), deliver(), cancel())),
    ((place(),), pay(at=DAY - timedelta(seconds=1)), Refused, "date-goes-back", "at"),
    ((place(), pay(), ship()), deliver(at=DAY), Refused, "date-goes-back", "at"),
]


@pytest.mark.parametrize(("before", "command", "error", "rule", "field"), REFUSALS)
def test_a_command_that_breaks_a_rule_is_refused_with_the_rule_and_a_sentence(
    before: tuple[OrderCommand, ...], command: OrderCommand, error: type[Exception], rule: str, field: str
) -> None:
    with pytest.raises(error) as caught:
        decide(after(*before), command, NOW)
    assert isinstance(caught.value, Refused | NotFound)
    assert (caught.value.rule, caught.value.field) == (rule, field)
    assert len(caught.value.detail) > 10


def test_lines_must_add_up_to_the_total() -> None:
    command = PlaceOrder(order_id="o1", customer_id="c1", lines=(Line(None, 1, money("9.99")),), total=money(), at=DAY)
    with pytest.raises(Refused, match=r"add up to 9\.99") as caught:
        decide(None, command, NOW)
    assert (caught.value.rule, caught.value.field) == ("total-mismatch", "total")


def test_all_lines_must_have_the_currency_of_the_total() -> None:
    lines = (Line(None, 1, money("5.00")), Line(None, 1, money("5.00", "USD")))
    command = PlaceOrder(order_id="o1", customer_id="c1", lines=lines, total=money(), at=DAY)
    with pytest.raises(Refused) as caught:
        decide(None, command, NOW)
    assert (caught.value.rule, caught.value.field) == ("one-currency", "lines[1].price.currency")


def test_a_command_without_a_date_happens_now_but_never_before_the_step_before_it() -> None:
    [event] = decide(after(place()), PayOrder(order_id="o1", amount=money()), NOW)
    assert isinstance(event, OrderPaid)
    assert event.at == NOW.now
    ahead = NOW.now + timedelta(minutes=5)
    [event] = decide(after(place(), pay(), ship(at=ahead)), DeliverOrder(order_id="o1"), NOW)
    assert isinstance(event, OrderDelivered)
    assert event.at == ahead


def test_amounts_are_equal_whatever_their_trailing_zeros() -> None:
    assert decide(after(place(amount="10.00")), pay(amount="10.0"), NOW)


@given(st.lists(st.tuples(st.integers(1, 9), st.decimals("0.00", "999999.99", places=2)), min_size=1, max_size=50))
def test_an_order_is_accepted_exactly_when_its_exact_sum_is_the_total(lines: list[tuple[int, Decimal]]) -> None:
    made = tuple(Line(None, quantity, Money(price, "EUR")) for quantity, price in lines)
    exact = sum((price for _, price in lines), Decimal(0))
    right = PlaceOrder(order_id="o1", customer_id="c1", lines=made, total=Money(exact, "EUR"), at=DAY)
    [event] = decide(None, right, NOW)
    assert isinstance(event, OrderPlaced)
    assert event.items == sum(quantity for quantity, _ in lines)
    wrong = PlaceOrder(order_id="o1", customer_id="c1", lines=made, total=Money(exact + Decimal("0.01"), "EUR"), at=DAY)
    with pytest.raises(Refused):
        decide(None, wrong, NOW)


@given(st.lists(st.sampled_from(["place", "pay", "ship", "deliver", "cancel"]), max_size=12))
def test_whatever_comes_an_order_is_paid_once_and_nothing_follows_its_end(names: list[str]) -> None:
    makers = {"place": place, "pay": pay, "ship": ship, "deliver": deliver, "cancel": cancel}
    state: State | None = None
    history: list[Event] = []
    for name in names:
        command: OrderCommand = makers[name](at=DAY)  # type: ignore[operator]  # functions of one keyword in common
        try:
            events = decide(state, command, NOW)
        except (Refused, NotFound):
            continue
        history += events
        state = reduce(evolve, events, state)
    kinds = [type(event) for event in history]
    assert kinds == sorted(kinds, key=[OrderPlaced, OrderPaid, OrderShipped, OrderDelivered, OrderCancelled].index)
    assert len(set(kinds)) == len(kinds)
    assert not {OrderShipped, OrderCancelled} <= set(kinds)
