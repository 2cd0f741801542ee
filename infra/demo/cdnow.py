"""The CDNOW purchases: the input of the orders demo, as commands, and the totals of a plain pass over the file."""

import gzip
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from importlib import resources
from typing import Any

from schemas import Command, Money
from schemas.orders import AddProduct, DeliverOrder, Line, PayOrder, PlaceOrder, ShipOrder

CURRENCY = "USD"
SKU = "cdnow-cd"


@dataclass(frozen=True)
class Purchase:
    """One line of the file; `number` counts the lines from 1."""

    number: int
    customer: str
    day: datetime
    items: int
    dollars: Decimal


def purchases() -> list[Purchase]:
    """All purchases in the file's order (by customer)."""
    packed = resources.files("infra.demo").joinpath("cdnow.txt.gz").read_bytes()
    lines = gzip.decompress(packed).decode("ascii").splitlines()[1:]
    return [_purchase(number, *line.split()) for number, line in enumerate(lines, start=1)]


def _purchase(number: int, customer: str, day: str, items: str, dollars: str) -> Purchase:
    instant = datetime.strptime(day, "%Y%m%d").replace(tzinfo=UTC)
    return Purchase(number, customer, instant, int(items), Decimal(dollars))


def commands(bought: list[Purchase]) -> Iterator[tuple[str, Command]]:
    """Command id and command: a product with as many pieces as were ever bought comes into the catalogue, then, day by
    day, each purchase is placed, paid, shipped and delivered on its date.
    """
    items = sum(purchase.items for purchase in bought)
    first = min(purchase.day for purchase in bought)
    yield f"{SKU}-add", AddProduct(sku=SKU, name="A CD of CDNOW", stock=items, at=first)
    days: dict[datetime, list[Purchase]] = defaultdict(list)
    for purchase in bought:
        days[purchase.day].append(purchase)
    for day in sorted(days):
        for step in (_place, _pay, _ship, _deliver):
            for purchase in days[day]:
                command = step(purchase)
                yield f"cdnow-{purchase.number:05}-{step.__name__.strip('_')}", command


def _order_id(purchase: Purchase) -> str:
    return f"cdnow-{purchase.number:05}"


def _place(p: Purchase) -> PlaceOrder:
    total = Money(p.dollars, CURRENCY)
    return PlaceOrder(
        order_id=_order_id(p),
        customer_id=p.customer,
        lines=(Line(SKU, p.items, total),),
        total=total,
        at=p.day + timedelta(hours=9),
    )


def _pay(p: Purchase) -> PayOrder:
    return PayOrder(order_id=_order_id(p), amount=Money(p.dollars, CURRENCY), at=p.day + timedelta(hours=10))


def _ship(p: Purchase) -> ShipOrder:
    return ShipOrder(order_id=_order_id(p), carrier="parcel", at=p.day + timedelta(hours=15))


def _deliver(p: Purchase) -> DeliverOrder:
    return DeliverOrder(order_id=_order_id(p), at=p.day + timedelta(hours=20))


def totals(bought: list[Purchase]) -> dict[str, Any]:
    """Totals, revenue by month and the ten best customers, by a plain pass; keys and forms as the queries answer."""
    revenue: dict[str, Decimal] = defaultdict(Decimal)
    orders: Counter[str] = Counter()
    spent: dict[str, Decimal] = defaultdict(Decimal)
    for p in bought:
        month = p.day.strftime("%Y-%m")
        revenue[month] += p.dollars
        orders[month] += 1
        spent[p.customer] += p.dollars
    best = sorted(spent.items(), key=lambda item: (-item[1], item[0]))[:10]
    return {
        "customers": len(spent),
        "orders": len(bought),
        "items": sum(p.items for p in bought),
        "stock": 0,
        "revenue": str(sum(revenue.values())),
        "months": {month: [orders[month], str(revenue[month])] for month in sorted(revenue)},
        "best": [[customer, str(amount)] for customer, amount in best],
    }
