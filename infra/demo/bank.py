"""A synthetic bank: ninety days of its accounts, made by a seeded generator.

Few accounts move most of the money (Zipf), paydays and evenings come in bursts, a few merchants are paid by everybody.
All amounts are whole numbers of hundredths. Nothing is asked that the bank would have to refuse.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from random import Random
from typing import NamedTuple

SEED = 20_260_101
ACCOUNTS, MERCHANTS, DAYS, MOVES_A_DAY = 1_200, 40, 90, 200
START = datetime(2026, 1, 1, tzinfo=UTC)
_PAYDAYS = (1, 15)


class Move(NamedTuple):
    """One thing that happens at the bank: `kind` says what; `name` is that of a transfer or hold, or the holder's."""

    at: datetime
    kind: str
    account: str
    amount: int = 0
    other: str = ""
    name: str = ""


@dataclass
class _Bank:
    """What the generator knows, so that it asks only for what there is."""

    random: Random
    available: dict[str, int] = field(default_factory=dict)
    balance: dict[str, int] = field(default_factory=dict)
    holds: dict[str, tuple[str, int]] = field(default_factory=dict)
    made: int = 0

    def name(self, kind: str) -> str:
        self.made += 1
        return f"{kind}-{self.made:05}"

    def move(self, account: str, amount: int) -> None:
        self.available[account] += amount
        self.balance[account] += amount


def moves(seed: int = SEED) -> list[Move]:
    """All that happens, in order of time."""
    return list(_moves(_Bank(Random(seed))))


def _moves(bank: _Bank) -> Iterator[Move]:
    names = [f"acc-{number:04}" for number in range(ACCOUNTS)]
    yield from _openings(bank, names)
    weights = [1 / (rank + 1) for rank in range(len(names))]
    order = bank.random.sample(names, len(names))
    merchants = order[:MERCHANTS]
    for day in range(1, DAYS):
        date = START + timedelta(days=day)
        payday = date.day in _PAYDAYS
        times = sorted(_time(bank.random, date) for _ in range(MOVES_A_DAY * (3 if payday else 1)))
        payers = bank.random.choices(order, weights, k=len(times))
        for at, payer in zip(times, payers, strict=True):
            payee = bank.random.choice(merchants) if bank.random.random() < 0.7 else bank.random.choice(names)
            yield from _step(bank, at, payer, payee, payday)
    yield from _closings(bank, order[-50:])


def _time(random: Random, date: datetime) -> datetime:
    """A second of the day, more often in the evening."""
    hour = random.choices(range(24), [1] * 7 + [3] * 10 + [9] * 4 + [2] * 3)[0]
    return date + timedelta(seconds=hour * 3600 + random.randrange(3600))


def _openings(bank: _Bank, names: list[str]) -> Iterator[Move]:
    for number, name in enumerate(names):
        at = START + timedelta(seconds=40 * number)
        limit = bank.random.choice((0, 0, 50_000, 200_000))
        bank.available[name], bank.balance[name] = limit, 0
        yield Move(at, "open", name, limit, name=f"holder-{number * 2 // 3:04}")
        amount = round(bank.random.lognormvariate(11, 1))
        bank.move(name, amount)
        yield Move(at + timedelta(seconds=1), "deposit", name, amount)


def _step(bank: _Bank, at: datetime, payer: str, payee: str, payday: bool) -> Iterator[Move]:
    amount = round(bank.random.lognormvariate(8, 1.2)) + 1
    kind = bank.random.random()
    if payday or kind < 0.1 or payer == payee or amount > bank.available[payer]:
        wage = 100_000 + bank.random.randrange(300_000)
        bank.move(payer, wage)
        yield Move(at, "deposit", payer, wage)
    elif kind < 0.2:
        bank.move(payer, -amount)
        yield Move(at, "withdraw", payer, amount)
    elif kind < 0.35:
        name = bank.name("hold")
        bank.available[payer] -= amount
        bank.holds[name] = payer, amount
        yield Move(at, "hold", payer, amount, name=name)
    elif kind < 0.48 and bank.holds:
        yield from _settle(bank, at, payee)
    else:
        bank.move(payer, -amount)
        bank.move(payee, amount)
        yield Move(at, "transfer", payer, amount, payee, bank.name("transfer"))


def _settle(bank: _Bank, at: datetime, payee: str) -> Iterator[Move]:
    """The oldest hold ends: captured, in part at times, or released."""
    name = next(iter(bank.holds))
    account, held = bank.holds.pop(name)
    bank.available[account] += held
    if bank.random.random() < 0.2 or account == payee:
        yield Move(at, "release", account, held, name=name)
        return
    amount = held if bank.random.random() < 0.8 else 1 + held // 2
    bank.move(account, -amount)
    bank.move(payee, amount)
    yield Move(at, "capture", account, amount, payee, name)


def _closings(bank: _Bank, names: list[str]) -> Iterator[Move]:
    holding = {account for account, _ in bank.holds.values()}
    at = START + timedelta(days=DAYS)
    for name in names:
        if name in holding or bank.balance[name] < 0:
            continue
        if bank.balance[name]:
            yield Move(at, "withdraw", name, bank.balance[name])
        yield Move(at, "close", name)
