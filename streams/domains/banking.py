"""Folds of the bank: each account as it stands, what each holder has, each hold."""

from decimal import Decimal
from typing import Any

from msgspec.structs import replace

from schemas import Envelope, Event
from schemas.banking import (
    Account,
    AccountClosed,
    AccountOpened,
    Deposited,
    Hold,
    HoldCaptured,
    Holder,
    HoldPlaced,
    HoldReleased,
    LimitChanged,
    TransferReceived,
    TransferSent,
    Withdrawn,
    entries,
)
from streams.fold import Fold, by_partition_key, by_stream

_MOVES: tuple[type[Event], ...] = (Deposited, Withdrawn, TransferSent, TransferReceived, HoldCaptured)
_HOLDS: tuple[type[Event], ...] = (HoldPlaced, HoldCaptured, HoldReleased)
_NOTHING = Decimal(0)


def account(value: Account | None, event: Any, envelope: Envelope[Any]) -> Account:
    """The account after `event`. Raises LookupError for one never opened, ValueError for one opened twice."""
    if isinstance(event, AccountOpened):
        return _opened(value, event, envelope)
    if value is None:
        raise LookupError(f"{type(event).__name__} of {envelope.subject} before it was opened")
    match event:
        case HoldPlaced():
            return replace(value, held=value.held + event.amount.amount)
        case HoldReleased():
            return replace(value, held=value.held - event.amount.amount)
        case LimitChanged():
            return replace(value, limit=event.limit.amount)
        case AccountClosed():
            return replace(value, closed_at=event.at)
        case HoldCaptured():
            value = replace(value, held=value.held - event.held.amount)
    amount = entries(event)[0].amount
    return replace(
        value,
        balance=value.balance + amount,
        turnover_in=value.turnover_in + max(amount, _NOTHING),
        turnover_out=value.turnover_out - min(amount, _NOTHING),
        entries=value.entries + 1,
        moved_at=event.at,
    )


def _opened(value: Account | None, event: AccountOpened, envelope: Envelope[Any]) -> Account:
    if value is not None:
        raise ValueError(f"{envelope.subject} was opened twice")
    return Account(
        account_id=event.account_id,
        holder_id=event.holder_id,
        currency=event.currency,
        balance=_NOTHING,
        held=_NOTHING,
        limit=event.limit.amount,
        turnover_in=_NOTHING,
        turnover_out=_NOTHING,
        entries=0,
        opened_at=event.at,
    )


def holder(value: Holder | None, event: Any, envelope: Envelope[Any]) -> Holder:
    """What the holder has after `event`. Raises LookupError for one that has no account."""
    if isinstance(event, AccountOpened):
        known = value or Holder(holder_id=event.holder_id, opened=0, closed=0, balances={}, since=event.at)
        balances = {event.currency: _NOTHING, **known.balances}
        return replace(known, opened=known.opened + 1, balances=balances, since=min(known.since, event.at))
    if value is None:
        raise LookupError(f"{type(event).__name__} of {envelope.partitionkey}, who has no account")
    if isinstance(event, AccountClosed):
        return replace(value, closed=value.closed + 1)
    currency, amount = event.amount.currency, entries(event)[0].amount
    return replace(value, balances={**value.balances, currency: value.balances[currency] + amount})


def hold(value: Hold | None, event: Any, envelope: Envelope[Any]) -> Hold:
    """The hold after `event`. Raises LookupError for one that was never placed."""
    if isinstance(event, HoldPlaced):
        return Hold(
            account_id=event.account_id,
            hold_id=event.hold_id,
            status="open",
            amount=event.amount,
            captured=_NOTHING,
            placed_at=event.at,
        )
    if value is None:
        raise LookupError(f"{type(event).__name__} of a hold of {envelope.subject} that was not placed")
    if isinstance(event, HoldCaptured):
        return replace(value, status="captured", captured=event.amount.amount, ended_at=event.at)
    return replace(value, status="released", ended_at=event.at)


FOLDS = (
    Fold("accounts", key=by_stream, fold=account),
    Fold("holders", key=by_partition_key, fold=holder, events=(AccountOpened, AccountClosed, *_MOVES)),
    Fold("holds", key=lambda e: f"{e.subject}/{e.data.hold_id}", fold=hold, events=_HOLDS),
)
