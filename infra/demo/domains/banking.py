"""The banking demo: ninety days of a synthetic bank, to the hundredth."""

from collections.abc import Iterator, Mapping
from datetime import timedelta
from decimal import Decimal
from typing import Any

from rich.bar import Bar
from rich.console import Group, RenderableType
from rich.table import Table

from infra.demo.bank import DAYS, START, Move, moves
from infra.demo.demo import Ask, Demo, Fed
from infra.demo.ledger import MIDDLE, busiest, expected
from schemas import Command, Money
from schemas.banking import (
    CaptureHold,
    CloseAccount,
    Deposit,
    OpenAccount,
    PlaceHold,
    ReleaseHold,
    Transfer,
    Withdraw,
)

# The code that ISO 4217 keeps for tests: nobody's real money is mixed with it.
CURRENCY = "XTS"


def _commands(made: list[Move]) -> Iterator[Fed]:
    return (("banking", f"bank-{number:05}", _command(move)) for number, move in enumerate(made))


def _command(move: Move) -> Command:
    amount = Money(Decimal(move.amount).scaleb(-2), CURRENCY)
    account, at = move.account, move.at
    match move.kind:
        case "open":
            return OpenAccount(account_id=account, holder_id=move.name, currency=CURRENCY, limit=amount, at=at)
        case "deposit":
            return Deposit(account_id=account, amount=amount, at=at)
        case "withdraw":
            return Withdraw(account_id=account, amount=amount, at=at)
        case "hold":
            return PlaceHold(account_id=account, hold_id=move.name, amount=amount, at=at)
        case "capture":
            return CaptureHold(account_id=account, hold_id=move.name, to_account=move.other, amount=amount, at=at)
        case "release":
            return ReleaseHold(account_id=account, hold_id=move.name, at=at)
        case "close":
            return CloseAccount(account_id=account, at=at)
    return Transfer(account_id=account, to_account=move.other, transfer_id=move.name, amount=amount, at=at)


def _ask(ask: Ask) -> dict[str, Any]:
    rows = ask("banking", "trial-balance")
    middle = ask("banking", "balances-on", day=str(MIDDLE), currency=CURRENCY, limit=10)
    turnover = ask("banking", "turnover-by-day", currency=CURRENCY)
    largest = ask("banking", "largest-transfers", currency=CURRENCY, limit=5)
    holds = [row for row in ask("banking", "open-holds", limit=10_000) if row["currency"] == CURRENCY]
    since = (START + timedelta(days=DAYS - 10)).date()
    lines = ask("banking", "statement", account=busiest(moves()), **{"from": str(since)})
    return {
        "trial": {row["class"]: row["balance"] for row in rows if row["currency"] == CURRENCY},
        "middle": [[row["account_id"], row["balance"]] for row in middle],
        "turnover": {row["day"]: [row["deposited"], row["withdrawn"], row["transferred"]] for row in turnover},
        "largest": [[row["payer"], row["payee"], row["amount"]] for row in largest],
        "holds": sorted([row["account_id"], row["hold_id"], row["amount"]] for row in holds),
        "statement": [[row["amount"], row["balance"]] for row in lines],
        "holders": [
            [row["holder_id"], row["balance"]] for row in ask("banking", "top-holders", currency=CURRENCY, limit=10)
        ],
    }


def _show(found: Mapping[str, Any]) -> RenderableType:
    trial = Table("class", "balance", title="Trial balance", box=None)
    best = Table("holder", "balance", title="Holders with the most", box=None)
    for table in (trial, best):
        table.columns[1].justify = "right"
    for name, balance in found["trial"].items():
        trial.add_row(name, f"{Decimal(balance):,}")
    trial.add_row("all", f"{sum(map(Decimal, found['trial'].values())):,}")
    for holder, balance in found["holders"][:5]:
        best.add_row(holder, f"{Decimal(balance):,}")
    side = Table.grid(padding=(0, 6))
    side.add_row(trial, best)
    return Group(side, _weeks(found["turnover"]), f"\nOpen holds: {len(found['holds'])}.")


def _weeks(turnover: Mapping[str, list[str]]) -> Table:
    chart = Table("week of", "transferred", "", title="Transfers by week", box=None)
    chart.columns[1].justify = "right"
    days = list(turnover.items())
    weeks = [days[n : n + 7] for n in range(0, len(days), 7)]
    sums = {week[0][0]: sum((Decimal(amounts[2]) for _, amounts in week), Decimal(0)) for week in weeks}
    most = float(max(sums.values(), default=Decimal(1))) or 1.0
    for day, amount in sums.items():
        chart.add_row(day, f"{amount:,}", Bar(most, 0, float(amount), width=40))
    return chart


DEMO = Demo(
    name="banking",
    title="Ninety days of a synthetic bank: transfers, holds, limits; the books are balanced after every event.",
    domains=("banking",),
    read=moves,
    opening=lambda made: f"{len(made):,} commands of a synthetic bank go in now.",
    commands=_commands,
    ask=_ask,
    expected=expected,
    show=_show,
    verdict="Exactly what a plain pass over the moves gives, to the hundredth.",
    next=(
        "curl '{url}/api/banking/acc-0001'",
        "curl '{url}/api/banking/queries/statement?account=acc-0001&limit=5'",
        "curl '{url}/api/banking/queries/trial-balance'",
    ),
)
