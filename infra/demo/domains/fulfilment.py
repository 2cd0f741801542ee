"""The fulfilment demo: orders, payments and deliveries joined by a process manager, with everything that goes wrong."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from rich.console import RenderableType
from rich.table import Table

from infra.demo.demo import Ask, Demo, Fed, Rows, Until
from infra.demo.fates import CURRENCY, DAYS, FATES, PRICES, STOCK, Bought, bought, end_of, expected, first
from schemas import Command, Money
from schemas.deliveries import CompleteDelivery, DispatchDelivery, FailDelivery
from schemas.orders import AddProduct, CancelOrder, Line, PlaceOrder
from schemas.payments import DeclinePayment, ReceivePayment


def _commands(orders: list[Bought]) -> Iterator[Fed | Until]:
    """Day by day: what a customer, a bank and a carrier do. What follows from it is the process manager's part."""
    for sku, price in PRICES.items():
        added = AddProduct(sku=sku, name=sku, price=Money(price, CURRENCY), stock=STOCK, at=first())
        yield "orders", f"add-{sku}", added
    asked = booked = 0
    for day in range(DAYS + 1):
        today = [order for order in orders if order.day == day]
        yield from (("orders", f"{order.id}-place", _place(order)) for order in today)
        asked += len(today)
        yield Until(domain="payments", query="payments-by-status", done=_at_least("payments", asked))
        yield from _settle(today)
        booked += sum(order.fate in ("delivered", "lost") for order in today)
        yield Until(domain="deliveries", query="deliveries-by-country", done=_all_booked(booked))
        yield from _deliver(today)
    yield from _rest(orders)


def _settle(today: Iterable[Bought]) -> Iterator[Fed]:
    for order in today:
        match order.fate:
            case "given up":
                command: Command = CancelOrder(order_id=order.id, reason="changed my mind", at=order.at(10))
                yield "orders", f"{order.id}-cancel", command
            case "declined":
                declined = DeclinePayment(order_id=order.id, reason="insufficient funds", at=order.at(11))
                yield "payments", f"{order.id}-decline", declined
            case "delivered" | "lost" | "no carrier":
                yield (
                    "payments",
                    f"{order.id}-pay",
                    ReceivePayment(order_id=order.id, amount=Money(order.total, CURRENCY), at=order.at(11)),
                )


def _deliver(today: Iterable[Bought]) -> Iterator[Fed]:
    for order in today:
        if order.fate not in ("delivered", "lost"):
            continue
        dispatched = DispatchDelivery(order_id=order.id, carrier=order.carrier, at=order.at(15))
        yield "deliveries", f"{order.id}-dispatch", dispatched
        if order.fate == "lost":
            yield "deliveries", f"{order.id}-fail", FailDelivery(order_id=order.id, reason="lost", at=order.at(20))
        else:
            yield "deliveries", f"{order.id}-complete", CompleteDelivery(order_id=order.id, at=order.at(20))


def _rest(orders: list[Bought]) -> Iterator[Until]:
    """Until nothing more follows: all orders have ended, and the money that goes back has gone back."""
    ends = {end: sum(end_of(order.fate)[0] == end for order in orders) for end in ("delivered", "cancelled", "shipped")}
    refunds = sum(end_of(order.fate)[1] == "refunded" for order in orders)
    for status, count in ends.items():
        done = _at_least("orders", count, status=status, currency=CURRENCY)
        yield Until(domain="orders", query="orders-by-status", done=done)
    yield Until(domain="payments", query="payments-by-status", done=_at_least("payments", refunds, status="refunded"))


def _at_least(column: str, count: int, **only: str) -> Callable[[Rows], bool]:
    def done(rows: Rows) -> bool:
        return bool(sum(row[column] for row in rows if only.items() <= row.items()) >= count)

    return done


def _all_booked(count: int) -> Callable[[Rows], bool]:
    def done(rows: Rows) -> bool:
        kinds = ("booked", "on_the_way", "completed", "failed")
        return bool(sum(row[kind] for row in rows for kind in kinds) >= count)

    return done


def _place(order: Bought) -> PlaceOrder:
    return PlaceOrder(
        order_id=order.id,
        customer_id=order.customer,
        lines=tuple(Line(sku, count, Money(PRICES[sku] * count, CURRENCY)) for sku, count in order.pieces.items()),
        total=Money(order.total, CURRENCY),
        deliver_to=order.country,
        at=order.at(9),
    )


def ask(ask: Ask) -> dict[str, Any]:
    """The answers of the named queries, in the form of the independent pass."""
    orders = [row for row in ask("orders", "orders-by-status") if row["currency"] == CURRENCY]
    stock = {row["sku"]: row["stock"] for row in ask("orders", "stock") if row["sku"] in PRICES}
    takings = ask("payments", "takings-by-day")
    countries = ask("deliveries", "deliveries-by-country")
    return {
        "orders": {row["status"]: [row["orders"], row["value"]] for row in orders},
        "payments": {row["status"]: [row["payments"], row["amount"]] for row in ask("payments", "payments-by-status")},
        "takings": {row["day"]: [row["received"], row["refunded"], row["kept"]] for row in takings},
        "deliveries": {row["country"]: [row["completed"], row["failed"]] for row in countries},
        "stock": stock,
    }


def _show(found: Mapping[str, Any]) -> RenderableType:
    stock = {sku: [pieces] for sku, pieces in found["stock"].items()}
    rows = (
        (
            _table("Orders", ("status", "orders", "value"), found["orders"]),
            _table("Payments", ("status", "payments", "amount"), found["payments"]),
        ),
        (
            _table("Takings in EUR", ("day", "received", "refunded", "kept"), found["takings"]),
            _table("Stock", ("product", "pieces"), stock),
        ),
        (_table("Deliveries", ("country", "completed", "failed"), found["deliveries"]),),
    )
    grid = Table.grid(padding=(0, 4))
    for row in rows:
        grid.add_row(*row)
    return grid


def _table(title: str, columns: tuple[str, ...], rows: Mapping[str, list[Any]]) -> Table:
    table = Table(*columns, title=title, box=None)
    for column in table.columns[1:]:
        column.justify = "right"
    for name, values in sorted(rows.items()):
        table.add_row(name, *map(str, values))
    return table


DEMO = Demo(
    name="fulfilment",
    title=f"Synthetic orders of {DAYS} days led through payment and delivery; refusals, time-outs and losses undone.",
    domains=("orders", "payments", "deliveries"),
    read=bought,
    opening=lambda orders: (
        f"{len(orders):,} synthetic orders, of {len(FATES)} fates, are led through payment and delivery now."
    ),
    commands=_commands,
    ask=ask,
    expected=expected,
    show=_show,
    verdict="Exactly what follows from each order's fate: no money kept, no piece lost, nothing done twice.",
    next=("curl '{url}/api/payments/queries/why-not-paid'", "./headrace audit orders payments deliveries"),
)
