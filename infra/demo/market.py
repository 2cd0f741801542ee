"""Real hourly prices of EUR/USD, and seeded synthetic traders who trade at them.

In each hour the price visits its real open, high, low and close. There a maker quotes around it, a taker trades at
exactly that price, and orders of a crowd that wait on the way are met. So each hour's last trade is at the real close.
"""

import csv
import gzip
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from importlib import resources
from random import Random
from typing import NamedTuple

from infra.demo.market_book import Book, Step

SEED, HOURS, DECIMALS = 20_170_419, 240, 5
TAKERS, CROWD = [f"taker-{n:02}" for n in range(20)], [f"crowd-{n:02}" for n in range(12)]
_QUOTE = 1_000


class Bar(NamedTuple):
    """One hour: prices in ticks of 0.00001 dollars."""

    start: datetime
    open: int
    high: int
    low: int
    close: int


@dataclass(frozen=True)
class Market:
    """The bars, and what the traders do in their course."""

    bars: list[Bar]
    steps: list[Step]


@dataclass
class _Floor:
    """What the generator knows, so that it changes only orders that are open."""

    random: Random
    book: Book = field(default_factory=Book)
    steps: list[Step] = field(default_factory=list)
    placed: int = 0

    def do(self, step: Step) -> None:
        self.steps.append(step)
        self.book.take(step)

    def name(self) -> str:
        self.placed += 1
        return f"o-{self.placed:05}"


def bars(hours: int = HOURS) -> list[Bar]:
    """The first hours of the file."""
    packed = resources.files("infra.demo").joinpath("eurusd-hourly.csv.gz").read_bytes()
    rows = list(csv.reader(gzip.decompress(packed).decode("ascii").splitlines()))[1 : hours + 1]
    return [_bar(*row[:5]) for row in rows]


def _bar(start: str, *prices: str) -> Bar:
    opened, high, low, close = (int(Decimal(price).scaleb(DECIMALS)) for price in prices)
    return Bar(datetime.fromisoformat(start).replace(tzinfo=UTC), opened, high, low, close)


def market(hours: int = HOURS, seed: int = SEED) -> Market:
    """All that happens, in order of time."""
    floor, found = _Floor(Random(seed)), bars(hours)
    quotes: dict[str, str] = {}
    for bar in found:
        for at, price in _visits(bar, floor.random):
            _quote(floor, quotes, at, price)
            _crowd(floor, at + timedelta(minutes=1), price)
    return Market(found, floor.steps)


def _visits(bar: Bar, random: Random) -> Iterator[tuple[datetime, int]]:
    """Four instants of the hour with their prices; a rising hour has its low first."""
    middle = (bar.low, bar.high) if bar.close >= bar.open else (bar.high, bar.low)
    for quarter, price in enumerate((bar.open, *middle, bar.close)):
        yield bar.start + timedelta(minutes=15 * quarter, seconds=random.randrange(600)), price


def _quote(floor: _Floor, quotes: dict[str, str], at: datetime, price: int) -> None:
    """The maker puts both quotes around the price, and a taker trades at it."""
    side = floor.random.choice(("buy", "sell"))
    bid, ask = (price - 1, price) if side == "buy" else (price, price + 1)
    two = [("buy", bid), ("sell", ask)]
    if "buy" in quotes and floor.book.trades[-1].price < price:
        two.reverse()  # the ask makes room before the bid follows
    for mine, at_price in two:
        _requote(floor, quotes, Step(at, "limit", quotes.get(mine, ""), "maker", mine, at_price, _QUOTE))
    lots = min(60, round(floor.random.paretovariate(1.2)))
    taker = floor.random.choices(TAKERS, [1 / (rank + 1) for rank in range(len(TAKERS))])[0]
    floor.do(Step(at + timedelta(seconds=1), "market", floor.name(), taker, side, 0, lots))


def _requote(floor: _Floor, quotes: dict[str, str], wanted: Step) -> None:
    """A maker's order is as wanted: placed, or changed if one is open and not so already."""
    known = floor.book.orders.get(wanted.order)
    if known is None:
        quotes[wanted.side] = floor.name()
        floor.do(wanted._replace(order=quotes[wanted.side]))
    elif (known.step.price, known.step.quantity) != (wanted.price, wanted.quantity):
        floor.do(wanted._replace(kind="amend"))


def _crowd(floor: _Floor, at: datetime, price: int) -> None:
    """One of the crowd places an order away from the price; now and then one changes an order or takes it back."""
    who, away = floor.random.choice(CROWD), floor.random.randrange(5, 200)
    side, sign = floor.random.choice((("buy", -1), ("sell", 1)))
    order = Step(at, "limit", floor.name(), who, side, price + sign * away, floor.random.randrange(1, 10))
    floor.do(order)
    theirs = [each.step for each in floor.book.orders.values() if each.step.trader == who]
    one, chance = floor.random.choice(theirs), floor.random.random()
    if chance < 0.1 or len(theirs) > 6:
        floor.do(Step(at, "cancel", one.order, who))
    elif chance < 0.2 and one.quantity > 1:
        floor.do(Step(at, "amend", one.order, who, one.side, 0, one.quantity - 1))
    elif chance < 0.3:
        floor.do(Step(at, "amend", one.order, who, one.side, 0, one.quantity + 1))
