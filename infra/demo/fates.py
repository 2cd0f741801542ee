"""Synthetic orders, each with its fate, and what must become of them: the input of the fulfilment demo.

A generator with a fixed seed; customers are chosen with the skew of Zipf's law.
"""

import random
from collections import Counter, defaultdict
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

CURRENCY = "EUR"
DAYS = 4
STOCK = 5_000
PRICES = {
    "fulfilment-lamp": Decimal("39.90"),
    "fulfilment-mug": Decimal("7.50"),
    "fulfilment-chair": Decimal("129.00"),
    "fulfilment-plant": Decimal("12.25"),
}
# How many of a hundred orders have which fate.
FATES = {"delivered": 70, "declined": 8, "expired": 8, "no carrier": 4, "lost": 4, "given up": 6}
_A_DAY = 100
_CUSTOMERS = 80
_COUNTRIES = ("DE", "FR", "NL", "US")
_UNSERVED = "AQ"
_CARRIERS = ("heron", "swift")
_BEGIN = datetime(2026, 3, 2, tzinfo=UTC)


@dataclass(frozen=True)
class Bought:
    """One order: what is bought, by whom and on which day (from 0), and what becomes of it."""

    id: str
    customer: str
    country: str
    carrier: str
    pieces: dict[str, int]
    day: int
    minute: int
    fate: str

    @property
    def total(self) -> Decimal:
        """The sum of its lines."""
        return sum((PRICES[sku] * count for sku, count in self.pieces.items()), Decimal(0))

    def at(self, hour: int) -> datetime:
        """That hour of its day, and its minute."""
        return _BEGIN + timedelta(days=self.day, hours=hour, minutes=self.minute)


def first() -> datetime:
    """The instant at which the shop opens."""
    return _BEGIN


def bought() -> list[Bought]:
    """The orders of all days, and of one more on which event time goes on past every deadline."""
    choose = random.Random(2026)
    weights = [1 / rank for rank in range(1, _CUSTOMERS + 1)]
    fates = [fate for fate, count in FATES.items() for _ in range(count)]
    orders = []
    for day in range(DAYS):
        choose.shuffle(fates)
        orders += [_order(choose, weights, day, number, fates[number]) for number in range(_A_DAY)]
    return [*orders, _order(choose, weights, DAYS, 0, "delivered"), _order(choose, weights, DAYS, 1, "given up")]


def _order(choose: random.Random, weights: list[float], day: int, number: int, fate: str) -> Bought:
    [customer] = choose.choices(range(1, _CUSTOMERS + 1), weights)
    skus = choose.sample(sorted(PRICES), choose.randrange(1, 4))
    return Bought(
        id=f"fulfilment-{day}-{number:03}",
        customer=f"fulfilment-c{customer}",
        country=_UNSERVED if fate == "no carrier" else choose.choice(_COUNTRIES),
        carrier=choose.choice(_CARRIERS),
        pieces={sku: choose.randrange(1, 4) for sku in skus},
        day=day,
        minute=number % 60,
        fate=fate,
    )


def end_of(fate: str) -> tuple[str, str]:
    """The statuses in which an order of that fate and its payment end."""
    return {
        "delivered": ("delivered", "received"),
        "declined": ("cancelled", "declined"),
        "expired": ("cancelled", "expired"),
        "no carrier": ("cancelled", "refunded"),
        "lost": ("shipped", "refunded"),
        "given up": ("cancelled", "declined"),
    }[fate]


def expected(orders: list[Bought]) -> dict[str, Any]:
    """What SQL must answer, from the fates alone."""
    by_order: dict[str, list[Decimal]] = defaultdict(list)
    by_payment: dict[str, list[Decimal]] = defaultdict(list)
    received: dict[str, Decimal] = defaultdict(Decimal)
    refunded: dict[str, Decimal] = defaultdict(Decimal)
    arrived: dict[str, list[int]] = defaultdict(lambda: [0, 0])
    stock = Counter(dict.fromkeys(PRICES, STOCK))
    for order in orders:
        status, payment = end_of(order.fate)
        by_order[status].append(order.total)
        by_payment[payment].append(order.total)
        day = order.at(11).strftime("%Y-%m-%d")
        if payment in ("received", "refunded"):
            received[day] += order.total
        if payment == "refunded":
            refunded[day] += order.total
        if order.fate in ("delivered", "lost"):
            arrived[order.country][order.fate == "lost"] += 1
        if status != "cancelled":
            stock.subtract(order.pieces)
    return {
        "orders": {status: _sum(totals) for status, totals in by_order.items()},
        "payments": {status: _sum(totals) for status, totals in by_payment.items()},
        "takings": {
            day: [_text(each), _text(refunded[day]), _text(each - refunded[day])] for day, each in received.items()
        },
        "deliveries": dict(arrived),
        "stock": dict(stock),
    }


def _sum(totals: list[Decimal]) -> list[Any]:
    return [len(totals), _text(sum(totals, Decimal(0)))]


def _text(amount: Decimal) -> str:
    """As SQL has it: without zeros at the end."""
    return format(amount.quantize(Decimal("0.01")), "f")
