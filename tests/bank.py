"""Commands and events of the bank for tests, and the books as a plain sum of entries."""

import asyncio
from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from producers import CommandHandler, MemoryEventStore, Request
from producers.domains.banking import DECIDER
from schemas import Command, Event, HeadraceError, Money, event_decoder
from schemas.banking import (
    DOMAIN,
    CaptureHold,
    Deposit,
    HoldCaptured,
    HoldPlaced,
    HoldReleased,
    OpenAccount,
    PlaceHold,
    Transfer,
    Withdraw,
    entries,
)

NOON = datetime(2026, 5, 1, 12, tzinfo=UTC)


def usd(amount: str | int) -> Money:
    return Money(Decimal(amount), "USD")


def opened(account: str, limit: str | int = 0, currency: str = "USD", holder: str = "ann") -> OpenAccount:
    ceiling = Money(Decimal(limit), currency)
    return OpenAccount(account_id=account, holder_id=holder, currency=currency, limit=ceiling, at=NOON)


def deposit(account: str, amount: str | int) -> Deposit:
    return Deposit(account_id=account, amount=usd(amount))


def withdraw(account: str, amount: str | int) -> Withdraw:
    return Withdraw(account_id=account, amount=usd(amount))


def transfer(account: str, to: str, amount: str | int, name: str = "t1") -> Transfer:
    return Transfer(account_id=account, to_account=to, transfer_id=name, amount=usd(amount))


def hold(account: str, amount: str | int, name: str = "h1") -> PlaceHold:
    return PlaceHold(account_id=account, hold_id=name, amount=usd(amount))


def capture(account: str, to: str, amount: str | int | None = None, name: str = "h1") -> CaptureHold:
    paid = None if amount is None else usd(amount)
    return CaptureHold(account_id=account, hold_id=name, to_account=to, amount=paid)


def asked(store: MemoryEventStore, commands: Sequence[Command]) -> list[str]:
    """The rules that refused the commands, one after the other; nothing for an accepted one."""

    async def main() -> list[Any]:
        handler = CommandHandler(DOMAIN, DECIDER, store)
        try:
            return await handler.submit([Request(c, f"{store.head().position}-{n}") for n, c in enumerate(commands)])
        finally:
            await handler.close()

    return [result.rule if isinstance(result, HeadraceError) else "" for result in asyncio.run(main())]


def happened(store: Any) -> list[Event]:
    """All events of a store, in the order of their positions."""
    decode = event_decoder(DOMAIN).decode
    return [decode(event.data) for event in store.read(0, store.head().position)]


class Books:
    """The books after any number of events: balances, holds and limits by account."""

    def __init__(self) -> None:
        self.balances: dict[str, Decimal] = defaultdict(Decimal)
        self.limits: dict[str, Decimal] = {}
        self.holds: dict[str, Decimal] = defaultdict(Decimal)

    def enter(self, event: Any) -> None:
        for entry in entries(event):
            self.balances[entry.account] += entry.amount
        match event:
            case HoldPlaced():
                self.holds[event.account_id] += event.amount.amount
            case HoldReleased():
                self.holds[event.account_id] -= event.amount.amount
            case HoldCaptured():
                self.holds[event.account_id] -= event.held.amount
        if limit := getattr(event, "limit", None):
            self.limits[event.account_id] = limit.amount

    def check(self) -> None:
        """Nothing is made or lost, and no account is beyond its limit."""
        assert sum(self.balances.values()) == 0
        for account, limit in self.limits.items():
            assert self.balances[account] + limit >= self.holds[account] >= 0, account


def checked(events: Iterable[Event]) -> Books:
    """The books after the events, checked after every single one."""
    books = Books()
    for event in events:
        books.enter(event)
        books.check()
    return books
