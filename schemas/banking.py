"""Accounts of a bank: deposits, withdrawals, transfers, holds, limits, closing; every event is a balanced entry.

An account has one currency and belongs to a holder; all accounts of a holder are kept in order together. The bank's own
accounts are `cash:CURRENCY`, the counterpart of what comes in and goes out, and `transit:CURRENCY`, through which a
transfer passes from one account to the other. So what each event moves adds up to nothing, and so does the bank, after
every event.
"""

from decimal import Decimal
from typing import Annotated, Literal, NamedTuple

from msgspec import Meta, Struct

from schemas import Aggregate, Command, Domain, Event, Id, Instant, Money, Text

Currency = Annotated[str, Meta(pattern=r"^[A-Z]{3}\Z", description="A currency, ISO 4217.")]
CASH, TRANSIT = "cash:", "transit:"


class OpenAccount(Command, frozen=True, kw_only=True):
    """Open an account; `limit` is how far it may be overdrawn (default: not at all). `at`: when (default: now)."""

    account_id: Id
    holder_id: Id
    currency: Currency
    limit: Money | None = None
    at: Instant | None = None


class Deposit(Command, frozen=True, kw_only=True):
    """Pay money in."""

    account_id: Id
    amount: Money
    reference: Text = "deposit"
    at: Instant | None = None


class Withdraw(Command, frozen=True, kw_only=True):
    """Take money out; holds and limit decide how much there is."""

    account_id: Id
    amount: Money
    reference: Text = "withdrawal"
    at: Instant | None = None


class Transfer(Command, frozen=True, kw_only=True):
    """Move money to another account of the same currency. `transfer_id` is used once, whoever asks."""

    account_id: Id
    to_account: Id
    transfer_id: Id
    amount: Money
    reference: Text = "transfer"
    at: Instant | None = None


class PlaceHold(Command, frozen=True, kw_only=True):
    """Set money aside for a later capture: it stays in the balance but is not available. `hold_id` is used once."""

    account_id: Id
    hold_id: Id
    amount: Money
    at: Instant | None = None


class CaptureHold(Command, frozen=True, kw_only=True):
    """Pay what was set aside, or less of it, to another account; the rest is available again."""

    account_id: Id
    hold_id: Id
    to_account: Id
    amount: Money | None = None
    reference: Text = "capture"
    at: Instant | None = None


class ReleaseHold(Command, frozen=True, kw_only=True):
    """Make what was set aside available again."""

    account_id: Id
    hold_id: Id
    at: Instant | None = None


class ChangeLimit(Command, frozen=True, kw_only=True):
    """Change how far the account may be overdrawn."""

    account_id: Id
    limit: Money
    at: Instant | None = None


class CloseAccount(Command, frozen=True, kw_only=True):
    """Close an account that has nothing and owes nothing."""

    account_id: Id
    at: Instant | None = None


class AccountOpened(Event, frozen=True, kw_only=True):
    """An account was opened, with nothing in it."""

    account_id: str
    holder_id: str
    currency: str
    limit: Money
    at: Instant


class Deposited(Event, frozen=True, kw_only=True):
    """Money came in: from the cash account to this one."""

    account_id: str
    amount: Money
    reference: str
    at: Instant


class Withdrawn(Event, frozen=True, kw_only=True):
    """Money went out: from this account to the cash account."""

    account_id: str
    amount: Money
    reference: str
    at: Instant


class TransferSent(Event, frozen=True, kw_only=True):
    """Money left this account, into transit; the other account's event is stored with it."""

    account_id: str
    to_account: str
    transfer_id: str
    amount: Money
    reference: str
    at: Instant


class TransferReceived(Event, frozen=True, kw_only=True):
    """Money came to this account, out of transit."""

    account_id: str
    from_account: str
    transfer_id: str
    amount: Money
    reference: str
    at: Instant


class HoldPlaced(Event, frozen=True, kw_only=True):
    """Money was set aside."""

    account_id: str
    hold_id: str
    amount: Money
    at: Instant


class HoldCaptured(Event, frozen=True, kw_only=True):
    """A hold of `held` ended: `amount` left this account, into transit; the other account's event is stored with it."""

    account_id: str
    hold_id: str
    to_account: str
    held: Money
    amount: Money
    reference: str
    at: Instant


class HoldReleased(Event, frozen=True, kw_only=True):
    """A hold of `amount` ended, and nothing was paid."""

    account_id: str
    hold_id: str
    amount: Money
    at: Instant


class LimitChanged(Event, frozen=True, kw_only=True):
    """The account may be overdrawn so far from now on."""

    account_id: str
    limit: Money
    at: Instant


class AccountClosed(Event, frozen=True, kw_only=True):
    """The account was closed."""

    account_id: str
    at: Instant


class Entry(NamedTuple):
    """What an event does to one account: plus for what comes in, minus for what goes out."""

    account: str
    amount: Decimal


def entries(event: Event) -> tuple[Entry, ...]:
    """The entries of an event, its own account's first; they add up to nothing. None if it moves no money."""
    match event:
        case Deposited(account_id=account, amount=amount):
            return Entry(account, amount.amount), Entry(CASH + amount.currency, -amount.amount)
        case Withdrawn(account_id=account, amount=amount):
            return Entry(account, -amount.amount), Entry(CASH + amount.currency, amount.amount)
        case TransferReceived(account_id=account, amount=amount):
            return Entry(account, amount.amount), Entry(TRANSIT + amount.currency, -amount.amount)
        case TransferSent(account_id=account, amount=amount) | HoldCaptured(account_id=account, amount=amount):
            return Entry(account, -amount.amount), Entry(TRANSIT + amount.currency, amount.amount)
    return ()


class Account(Struct, frozen=True, kw_only=True):
    """One account as it stands. `held` is set aside of the balance; `turnover_in` and `turnover_out` only grow."""

    account_id: str
    holder_id: str
    currency: str
    balance: Decimal
    held: Decimal
    limit: Decimal
    turnover_in: Decimal
    turnover_out: Decimal
    entries: int
    opened_at: Instant
    moved_at: Instant | None = None
    closed_at: Instant | None = None


class Holder(Struct, frozen=True, kw_only=True):
    """What one holder has at the bank, over all accounts, by currency."""

    holder_id: str
    opened: int
    closed: int
    balances: dict[str, Decimal]
    since: Instant


class Hold(Struct, frozen=True, kw_only=True):
    """One hold: `captured` is what was paid of it, once it has ended."""

    account_id: str
    hold_id: str
    status: Literal["open", "captured", "released"]
    amount: Money
    captured: Decimal
    placed_at: Instant
    ended_at: Instant | None = None


DOMAIN = Domain(
    name="banking",
    commands=(
        OpenAccount,
        Deposit,
        Withdraw,
        Transfer,
        PlaceHold,
        CaptureHold,
        ReleaseHold,
        ChangeLimit,
        CloseAccount,
    ),
    events=(
        AccountOpened,
        Deposited,
        Withdrawn,
        TransferSent,
        TransferReceived,
        HoldPlaced,
        HoldCaptured,
        HoldReleased,
        LimitChanged,
        AccountClosed,
    ),
    aggregates=(Aggregate("accounts", Account), Aggregate("holders", Holder), Aggregate("holds", Hold)),
    stream_of=lambda command: command.account_id,
    partition_by=lambda event: event.holder_id,
    event_time=lambda event: event.at,
)
