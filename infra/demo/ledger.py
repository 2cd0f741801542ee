"""What the bank's books must say: a plain pass over the moves, with whole numbers."""

from collections import Counter, defaultdict
from datetime import date, timedelta
from typing import Any

from infra.demo.bank import DAYS, START, Move

MIDDLE = START.date() + timedelta(days=DAYS // 2)
_PAYS = ("withdraw", "transfer", "capture")


def busiest(made: list[Move]) -> str:
    """The account with the most entries."""
    counted: Counter[str] = Counter()
    for move in made:
        if move.kind in ("deposit", *_PAYS):
            counted.update(filter(None, (move.account, move.other)))
    return min(counted, key=lambda account: (-counted[account], account))


def expected(made: list[Move]) -> dict[str, Any]:
    """The answers of the queries that the demo asks, in their form."""
    holders = {move.account: move.name for move in made if move.kind == "open"}
    final = _balances(made)
    wealth: Counter[str] = Counter()
    for account, balance in final.items():
        wealth[holders[account]] += balance
    customers = sum(final.values())
    return {
        "trial": {"cash": money(-customers), "customers": money(customers), "transit": money(0)},
        "middle": _best(_balances([move for move in made if move.at.date() <= MIDDLE and move.kind != "open"])),
        "turnover": _turnover(made),
        "largest": _largest(made),
        "holds": _open_holds(made),
        "statement": _statement(made, busiest(made)),
        "holders": _best(wealth),
    }


def money(hundredths: int) -> str:
    """An amount as the queries write it."""
    whole, rest = divmod(abs(hundredths), 100)
    return f"{'-' if hundredths < 0 else ''}{whole}.{rest:02}"


def _changes(move: Move) -> dict[str, int]:
    if move.kind == "deposit":
        return {move.account: move.amount}
    if move.kind not in _PAYS:
        return {}
    return {move.account: -move.amount, **({move.other: move.amount} if move.other else {})}


def _balances(made: list[Move]) -> Counter[str]:
    balances: Counter[str] = Counter()
    for move in made:
        if move.kind == "open":
            balances[move.account] = 0
        for account, amount in _changes(move).items():
            balances[account] += amount
    return balances


def _best(amounts: Counter[str]) -> list[list[str]]:
    best = sorted(amounts.items(), key=lambda item: (-item[1], item[0]))[:10]
    return [[name, money(amount)] for name, amount in best]


def _turnover(made: list[Move]) -> dict[str, list[str]]:
    days: dict[date, Counter[str]] = defaultdict(Counter)
    for move in made:
        if move.kind == "deposit" or move.kind in _PAYS:
            days[move.at.date()]["transfer" if move.other else move.kind] += move.amount
    kinds = ("deposit", "withdraw", "transfer")
    return {str(day): [money(days[day][kind]) for kind in kinds] for day in sorted(days)}


def _largest(made: list[Move]) -> list[list[str]]:
    sent = [(-move.amount, number) for number, move in enumerate(made) if move.other]
    return [[made[n].account, made[n].other, money(made[n].amount)] for _, n in sorted(sent)[:5]]


def _open_holds(made: list[Move]) -> list[list[str]]:
    held = {move.name: move for move in made if move.kind == "hold"}
    for move in made:
        if move.kind in ("capture", "release"):
            del held[move.name]
    return sorted([move.account, move.name, money(move.amount)] for move in held.values())


def _statement(made: list[Move], account: str) -> list[list[str]]:
    """Amounts and balances of the account's entries in its last ten days."""
    balance, lines = 0, []
    for move in made:
        amount = _changes(move).get(account)
        if amount is not None:
            balance += amount
            if move.at >= START + timedelta(days=DAYS - 10):
                lines.append([money(amount), money(balance)])
    return lines
