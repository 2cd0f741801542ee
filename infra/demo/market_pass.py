"""The plain pass over the traders' steps: what the answers of the trading demo must be."""

from collections import defaultdict
from collections.abc import Iterable
from datetime import datetime
from decimal import ROUND_DOWN, Decimal
from typing import Any

from infra.demo.market import Market
from infra.demo.market_book import Book, Trade

LEVELS, TRADERS = 5, 100
_FOUR = Decimal("0.0001")


def answers(market: Market) -> dict[str, Any]:
    """The answers, in the form in which the demo asks for them. The closes of the hours are the file's own."""
    book = Book()
    for step in market.steps:
        book.take(step)
    days = _candles(book.trades, lambda at: at.strftime("%Y-%m-%d"))
    return {
        "days": days,
        "vwap": _vwap(days),
        "closes": [bar.close for bar in market.bars],
        "minutes": len({trade.at.replace(second=0) for trade in book.trades}),
        "positions": _positions(book.trades),
        "depth": _depth(book),
    }


def _candles(trades: Iterable[Trade], period: Any) -> list[list[Any]]:
    """Period, open, high, low, close, volume, turnover, trades."""
    found: dict[str, list[Trade]] = defaultdict(list)
    for trade in trades:
        found[period(trade.at)].append(trade)
    return [[start, *_candle(those)] for start, those in sorted(found.items())]


def _candle(trades: list[Trade]) -> list[int]:
    prices = [trade.price for trade in trades]
    turnover = sum(trade.price * trade.quantity for trade in trades)
    volume = sum(trade.quantity for trade in trades)
    return [prices[0], max(prices), min(prices), prices[-1], volume, turnover, len(trades)]


def _vwap(days: list[list[Any]]) -> list[str]:
    return [str((Decimal(day[6]) / day[5]).quantize(_FOUR, ROUND_DOWN)) for day in days]


def _positions(trades: list[Trade]) -> list[list[Any]]:
    """Trader, lots, realised, unrealised, total, the best first."""
    fills: dict[str, list[tuple[int, int]]] = defaultdict(list)
    for trade in trades:
        fills[trade.buyer].append((trade.quantity, trade.price))
        fills[trade.seller].append((-trade.quantity, trade.price))
    last = trades[-1].price
    rows: list[list[Any]] = [[trader, *_profit(theirs, last)] for trader, theirs in fills.items()]
    return sorted(rows, key=lambda row: (-row[4], row[0]))[:TRADERS]


def _profit(fills: list[tuple[int, int]], last: int) -> tuple[int, int, int, int]:
    """Lots, realised, unrealised and total: what is realised is all that came in less what the open lots cost."""
    lots, paid = 0, 0  # of the open lots
    for quantity, price in fills:
        if lots * quantity >= 0:
            lots, paid = lots + quantity, paid + quantity * price
        elif abs(quantity) >= abs(lots):
            lots, paid = lots + quantity, (lots + quantity) * price
        else:
            paid -= paid * abs(quantity) // abs(lots)
            lots += quantity
    came = -sum(quantity * price for quantity, price in fills)
    return lots, came + paid, lots * last - paid, came + lots * last


def _depth(book: Book) -> list[list[Any]]:
    """Side, price and lots of the best prices of each side."""
    lots: dict[tuple[str, int], int] = defaultdict(int)
    for each in book.orders.values():
        lots[each.step.side, each.step.price] += each.step.quantity
    rows = []
    for side, best_first in (("buy", True), ("sell", False)):
        prices = sorted((price for known, price in lots if known == side), reverse=best_first)
        rows += [[side, price, lots[side, price]] for price in prices[:LEVELS]]
    return rows


def start_of(bars: Market) -> datetime:
    """When the market opens."""
    return bars.bars[0].start
