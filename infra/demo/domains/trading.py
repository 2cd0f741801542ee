"""The trading demo: synthetic traders at real prices of EUR/USD; candles, VWAP and profit by a plain pass, too."""

from collections.abc import Iterator, Mapping
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table

from infra.demo.demo import Ask, Demo, Fed
from infra.demo.market import DECIMALS, HOURS, Market, market
from infra.demo.market_book import Step
from infra.demo.market_pass import LEVELS, TRADERS, answers, start_of
from schemas import Command
from schemas.trading import AmendOrder, CancelOrder, ListInstrument, PlaceLimit, PlaceMarket, Side

NAME = "EURUSD"
_BAR = 16


def _command(step: Step) -> Command:
    side: Side = "buy" if step.side == "buy" else "sell"
    at, order, trader = step.at, step.order, step.trader
    match step.kind:
        case "limit":
            terms = {"price": step.price, "quantity": step.quantity}
            return PlaceLimit(instrument_id=NAME, order_id=order, trader_id=trader, side=side, at=at, **terms)
        case "market":
            lots = step.quantity
            return PlaceMarket(instrument_id=NAME, order_id=order, trader_id=trader, side=side, quantity=lots, at=at)
        case "cancel":
            return CancelOrder(instrument_id=NAME, order_id=order, trader_id=trader, at=at)
    price = step.price or None
    return AmendOrder(instrument_id=NAME, order_id=order, trader_id=trader, price=price, quantity=step.quantity, at=at)


def _commands(found: Market) -> Iterator[Fed]:
    opening = start_of(found)
    yield (
        "trading",
        "trading-demo-list",
        ListInstrument(instrument_id=NAME, currency="USD", decimals=DECIMALS, at=opening),
    )
    for number, step in enumerate(found.steps):
        yield "trading", f"trading-demo-{number}", _command(step)


def _ask(ask: Ask) -> dict[str, Any]:
    columns = ("open", "high", "low", "close", "volume", "turnover", "trades")
    days = ask("trading", "candles", instrument=NAME, width="day")
    profit = ask("trading", "profit-and-loss", instrument=NAME, limit=TRADERS)
    depth = ask("trading", "depth", instrument=NAME, levels=LEVELS)
    return {
        "days": [[row["start"][:10], *(row[name] for name in columns)] for row in days],
        "vwap": [row["vwap"] for row in ask("trading", "vwap", instrument=NAME)],
        "closes": [row["close"] for row in ask("trading", "candles", instrument=NAME, width="hour")],
        "minutes": len(ask("trading", "candles", instrument=NAME, width="minute", limit=10 * HOURS)),
        "positions": [
            [row[name] for name in ("trader_id", "quantity", "realised", "unrealised", "total")] for row in profit
        ],
        "depth": [[row["side"], row["price"], row["lots"]] for row in depth],
    }


def _price(ticks: Any) -> str:
    return f"{float(ticks) / 10**DECIMALS:.5f}"


def _money(ticks_times_lots: int) -> str:
    return f"{ticks_times_lots / 10**DECIMALS:,.5f}"


def _show(found: Mapping[str, Any]) -> RenderableType:
    days = Table("day", "open", "high", "low", "close", "VWAP", "lots", "", title=f"{NAME} by day", box=None)
    most = max(day[5] for day in found["days"])
    for day, vwap in zip(found["days"], found["vwap"], strict=True):
        days.add_row(day[0], *map(_price, (*day[1:5], vwap)), f"{day[5]:,}", "█" * round(_BAR * day[5] / most))
    profit = Table("trader", "lots", "realised", "unrealised", "total", title="Profit and loss, USD a unit", box=None)
    book = Table("side", "price", "lots", title="Depth", box=None)
    for column in (*profit.columns[1:], book.columns[2]):
        column.justify = "right"
    for trader, lots, *amounts in (*found["positions"][:4], *found["positions"][-4:]):
        profit.add_row(trader, f"{lots:,}", *map(_money, amounts))
    for side, price, lots in found["depth"]:
        book.add_row(side, _price(price), f"{lots:,}")
    side_by_side = Table.grid(padding=(0, 6))
    side_by_side.add_row(profit, book)
    hours, trades = len(found["closes"]), sum(day[7] for day in found["days"])
    last = (
        f"\n{trades:,} trades of synthetic traders at real prices; the last of each of {hours:,} hours is at its close."
    )
    return Group(days, side_by_side, last)


DEMO = Demo(
    name="trading",
    title=f"{HOURS} real hours of EUR/USD with synthetic traders: order book, candles, VWAP, profit and loss.",
    domains=("trading",),
    read=market,
    opening=lambda found: f"{len(found.steps):,} orders and changes of synthetic traders go in as commands now.",
    commands=_commands,
    ask=_ask,
    expected=answers,
    show=_show,
    verdict="Exactly what a plain order book gives, to the tick; the hours close where the file says.",
    next=(
        f"curl '{{url}}/api/trading/{NAME}'",
        f"curl '{{url}}/api/trading/queries/candles?instrument={NAME}&width=hour&limit=5'",
        f"curl '{{url}}/api/trading/queries/tape?instrument={NAME}&limit=5'",
    ),
)
