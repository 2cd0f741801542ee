"""The rules of an account.

What is available is never below nothing: balance and limit, less holds. Money moves between open accounts of one
currency only. An account is closed once it has nothing, owes nothing and holds nothing; then nothing follows. No event
is dated before the last one of its account; a command without a date happens now, or with that last one when it lies
ahead of our clock.
"""

from datetime import datetime
from decimal import Decimal

from producers.decider import Facts, On
from producers.domains.banking.account import State
from schemas import Command, Event, Money, NotFound, Refused
from schemas.banking import (
    CASH,
    TRANSIT,
    AccountClosed,
    AccountOpened,
    CaptureHold,
    ChangeLimit,
    CloseAccount,
    Deposit,
    Deposited,
    HoldCaptured,
    HoldPlaced,
    HoldReleased,
    LimitChanged,
    OpenAccount,
    PlaceHold,
    ReleaseHold,
    Transfer,
    TransferReceived,
    TransferSent,
    Withdraw,
    Withdrawn,
)


def decide(state: State | None, command: Command, facts: Facts) -> tuple[Event | On, ...]:
    """The events of a command. Raises Refused or NotFound with the rule that forbids it."""
    match command:
        case OpenAccount():
            return (_open(state, command, facts),)
        case Deposit(account_id=account, amount=amount, reference=reference):
            at = _at(_mine(state, account, amount), command.at, facts)
            return (Deposited(account_id=account, amount=amount, reference=reference, at=at),)
        case Withdraw(account_id=account, amount=amount, reference=reference):
            mine = _mine(state, account, amount)
            _covered(mine, account, amount.amount)
            at = _at(mine, command.at, facts)
            return (Withdrawn(account_id=account, amount=amount, reference=reference, at=at),)
        case Transfer():
            return _transfer(_mine(state, command.account_id, command.amount), command, facts)
        case PlaceHold(account_id=account, hold_id=name, amount=amount):
            mine = _mine(state, account, amount)
            _covered(mine, account, amount.amount)
            return (HoldPlaced(account_id=account, hold_id=name, amount=amount, at=_at(mine, command.at, facts)),)
        case CaptureHold():
            return _capture(_existing(state, command.account_id), command, facts)
        case ReleaseHold(account_id=account, hold_id=name):
            mine = _existing(state, account)
            held = Money(_held(mine, account, name), mine.currency)
            return (HoldReleased(account_id=account, hold_id=name, amount=held, at=_at(mine, command.at, facts)),)
        case ChangeLimit():
            return _change_limit(_existing(state, command.account_id), command, facts)
        case CloseAccount(account_id=account):
            mine = _existing(state, account)
            _empty(mine, account)
            return (AccountClosed(account_id=account, at=_at(mine, command.at, facts)),)
    raise TypeError(f"{type(command).__name__} is no command of an account")


def _open(state: State | None, command: OpenAccount, facts: Facts) -> AccountOpened:
    account, limit = command.account_id, command.limit or Money(Decimal(0), command.currency)
    if account.startswith((CASH, TRANSIT)):
        raise Refused(f"no account may be called {CASH}… or {TRANSIT}…", rule="reserved-name", field="account_id")
    if state is not None:
        raise Refused(f"there has been an account {account}", rule="account-already-opened", field="account_id")
    if limit.currency != command.currency:
        raise _currency(account, command.currency, "limit")
    return AccountOpened(
        account_id=account,
        holder_id=command.holder_id,
        currency=command.currency,
        limit=limit,
        at=command.at or facts.now,
    )


def _transfer(mine: State, command: Transfer, facts: Facts) -> tuple[Event | On, ...]:
    account, to, amount = command.account_id, command.to_account, command.amount
    theirs = _other(account, to, mine.currency, facts)
    _covered(mine, account, amount.amount)
    at = _at(mine, command.at, facts, theirs)
    sent = TransferSent(
        account_id=account,
        to_account=to,
        transfer_id=command.transfer_id,
        amount=amount,
        reference=command.reference,
        at=at,
    )
    return sent, On(to, _received(account, to, command.transfer_id, amount, command.reference, at))


def _capture(mine: State, command: CaptureHold, facts: Facts) -> tuple[Event | On, ...]:
    account, to = command.account_id, command.to_account
    held = Money(_held(mine, account, command.hold_id), mine.currency)
    amount = held if command.amount is None else command.amount
    _of_currency(mine, account, amount)
    if amount.amount > held.amount:
        raise Refused(f"{command.hold_id} holds {held.amount} alone", rule="more-than-held", field="amount")
    theirs = _other(account, to, mine.currency, facts)
    at = _at(mine, command.at, facts, theirs)
    captured = HoldCaptured(
        account_id=account,
        hold_id=command.hold_id,
        to_account=to,
        held=held,
        amount=amount,
        reference=command.reference,
        at=at,
    )
    return captured, On(to, _received(account, to, command.hold_id, amount, command.reference, at))


def _received(account: str, to: str, name: str, amount: Money, reference: str, at: datetime) -> TransferReceived:
    return TransferReceived(
        account_id=to, from_account=account, transfer_id=name, amount=amount, reference=reference, at=at
    )


def _change_limit(mine: State, command: ChangeLimit, facts: Facts) -> tuple[Event, ...]:
    account, limit = command.account_id, command.limit
    if limit.currency != mine.currency:
        raise _currency(account, mine.currency, "limit")
    if limit.amount == mine.limit:
        return ()
    if mine.available - mine.limit + limit.amount < 0:
        raise Refused(f"{account} is overdrawn beyond that", rule="limit-in-use", field="limit")
    return (LimitChanged(account_id=account, limit=limit, at=_at(mine, command.at, facts)),)


def _existing(state: State | None, account: str, field: str = "account_id") -> State:
    if state is None:
        raise NotFound(f"there is no account {account}", rule="unknown-account", field=field)
    if state.closed:
        raise Refused(f"account {account} was closed", rule="account-closed", field=field)
    return state


def _mine(state: State | None, account: str, amount: Money) -> State:
    """The open account, whose currency the amount has."""
    mine = _existing(state, account)
    _of_currency(mine, account, amount)
    return mine


def _of_currency(mine: State, account: str, amount: Money) -> None:
    if amount.currency != mine.currency:
        raise _currency(account, mine.currency, "amount")
    if not amount.amount:
        raise Refused("an amount of nothing moves nothing", rule="amount-of-nothing", field="amount")


def _other(account: str, to: str, currency: str, facts: Facts) -> State:
    """The account that money goes to. Raises Refused."""
    if to == account:
        raise Refused(f"the money is on {account} already", rule="same-account", field="to_account")
    theirs: State | None = facts.streams[to]
    if theirs is None:
        raise Refused(f"there is no account {to}", rule="unknown-account", field="to_account")
    theirs = _existing(theirs, to, "to_account")
    if theirs.currency != currency:
        raise _currency(to, theirs.currency, "to_account")
    return theirs


def _covered(mine: State, account: str, amount: Decimal) -> None:
    if amount > mine.available:
        detail = f"{mine.available} {mine.currency} are available on {account}"
        raise Refused(detail, rule="not-enough-available", field="amount")


def _held(mine: State, account: str, name: str) -> Decimal:
    if name not in mine.holds:
        raise Refused(f"there is no open hold {name} on {account}", rule="unknown-hold", field="hold_id")
    return mine.holds[name]


def _empty(mine: State, account: str) -> None:
    if mine.holds:
        raise Refused(f"{account} has open holds", rule="holds-open", field="account_id")
    if mine.balance:
        detail = f"the balance of {account} is {mine.balance} {mine.currency}"
        raise Refused(detail, rule="balance-not-nothing", field="account_id")


def _currency(account: str, currency: str, field: str) -> Refused:
    return Refused(f"{account} is kept in {currency}", rule="currency-mismatch", field=field)


def _at(mine: State, at: datetime | None, facts: Facts, theirs: State | None = None) -> datetime:
    last = max(mine.at, theirs.at) if theirs else mine.at
    if at is None:
        return max(facts.now, last)
    if at < last:
        raise Refused(
            f"the event is dated {at.isoformat()}, the one before it {last.isoformat()}",
            rule="date-goes-back",
            field="at",
        )
    return at
