"""The folds of orders, given what happened before, when an event comes, then what the row says."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from schemas import Envelope, Event, Money
from schemas.orders import (
    Customer,
    Line,
    Order,
    OrderCancelled,
    OrderDelivered,
    OrderPaid,
    OrderPlaced,
    OrderShipped,
)
from streams.domains.orders import customer, order

NOON = datetime(2026, 5, 1, 12, tzinfo=UTC)


def dollars(amount: str) -> Money:
    return Money(Decimal(amount), "USD")


TWENTY = dollars("20.00")


def placed(number: int = 1, total: Money = TWENTY, items: int = 2, at: datetime = NOON) -> OrderPlaced:
    lines = (Line(sku="CD", quantity=items, price=total),)
    return OrderPlaced(order_id=f"o{number}", customer_id="ann", lines=lines, items=items, total=total, at=at)


def cancelled(number: int = 1, total: Money = TWENTY, items: int = 2) -> OrderCancelled:
    return OrderCancelled(order_id=f"o{number}", reason="changed my mind", items=items, total=total, at=NOON)


def envelope(event: Event) -> Envelope[Any]:
    return Envelope(
        id="e",
        source="/orders",
        type=type(event).__name__,
        subject=event.order_id,  # type: ignore[attr-defined]  # all events of orders have it
        time=NOON,
        sequence=1,
        position=1,
        partitionkey="ann",
        hash="",
        correlationid="",
        data=event,
    )


def order_after(*events: Event) -> Order | None:
    value: Order | None = None
    for event in events:
        value = order(value, event, envelope(event))
    return value


def customer_after(*events: Event) -> Customer | None:
    value: Customer | None = None
    for event in events:
        value = customer(value, event, envelope(event))
    return value


LIFE: list[Event] = [
    placed(),
    OrderPaid(order_id="o1", amount=dollars("20.00"), at=NOON + timedelta(hours=1)),
    OrderShipped(order_id="o1", carrier="van", at=NOON + timedelta(hours=2)),
    OrderDelivered(order_id="o1", at=NOON + timedelta(hours=3)),
]


def test_an_order_remembers_each_step_and_its_instant() -> None:
    assert order_after(*LIFE) == Order(
        order_id="o1",
        customer_id="ann",
        status="delivered",
        items=2,
        total=dollars("20.00"),
        placed_at=NOON,
        paid_at=NOON + timedelta(hours=1),
        shipped_at=NOON + timedelta(hours=2),
        delivered_at=NOON + timedelta(hours=3),
    )


@pytest.mark.parametrize(("steps", "status"), [(1, "placed"), (2, "paid"), (3, "shipped"), (4, "delivered")])
def test_the_status_is_that_of_the_last_step(steps: int, status: str) -> None:
    after = order_after(*LIFE[:steps])
    assert after is not None
    assert after.status == status


def test_a_cancelled_order_keeps_what_it_was() -> None:
    after = order_after(placed(), cancelled())
    assert after is not None
    assert (after.status, after.items, after.total, after.cancelled_at) == ("cancelled", 2, dollars("20.00"), NOON)


@pytest.mark.parametrize("event", [*LIFE[1:], cancelled()])
def test_an_event_of_an_order_that_was_never_placed_is_refused(event: Event) -> None:
    with pytest.raises(LookupError, match="o1 before its first event"):
        order_after(event)


def test_an_order_is_not_placed_twice() -> None:
    with pytest.raises(ValueError, match="o1 was placed twice"):
        order_after(placed(), placed())


def test_a_customer_has_recency_frequency_and_exact_money_by_currency() -> None:
    day = timedelta(days=1)
    euros = Money(Decimal("0.30"), "EUR")
    assert customer_after(
        placed(1, dollars("0.10"), 1, NOON), placed(2, dollars("0.20"), 3, NOON - day), placed(3, euros, 5, NOON + day)
    ) == Customer(
        customer_id="ann",
        orders=3,
        items=9,
        spent={"USD": Decimal("0.30"), "EUR": Decimal("0.30")},
        first_purchase=NOON - day,
        last_purchase=NOON + day,
    )


def test_cancelled_orders_are_taken_out_of_all_figures_but_the_dates() -> None:
    later = NOON + timedelta(days=9)
    assert customer_after(
        placed(1), placed(2, dollars("5.00"), 7, later), cancelled(2, dollars("5.00"), 7)
    ) == Customer(
        customer_id="ann",
        orders=1,
        items=2,
        spent={"USD": Decimal("20.00")},
        first_purchase=NOON,
        last_purchase=later,
        cancelled=1,
    )


def test_deliveries_are_counted() -> None:
    after = customer_after(*LIFE)
    assert after is not None
    assert (after.delivered, after.orders) == (1, 1)


@pytest.mark.parametrize("event", LIFE[1:3])
def test_payment_and_shipment_leave_the_customer_untouched(event: Event) -> None:
    before = customer_after(placed())
    assert customer(before, event, envelope(event)) is before


def test_a_fold_never_changes_the_value_it_was_given() -> None:
    before = customer_after(placed())
    assert before is not None
    customer(before, placed(2), envelope(placed(2)))
    assert before.spent == {"USD": Decimal("20.00")}
