"""A domain in three stages of its life: accounts that are paid for and closed, whose events changed their shapes."""

import dataclasses
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from msgspec import Struct

from schemas import Aggregate, Command, Domain, Envelope, Event, Id, Instant, Upcaster, encode, event_decoder

AT = datetime(2026, 1, 1, tzinfo=UTC)


class Pay(Command, frozen=True):
    """Pay for an account."""

    account: Id
    amount: Decimal
    currency: str
    at: Instant | None = None


class Account(Struct, frozen=True):
    """What was paid for an account."""

    account: str
    amount: Decimal
    currency: str


class First:
    """Its first shapes."""

    class Paid(Event, frozen=True, tag="Paid"):
        """`cents` of an euro were paid."""

        account: str
        cents: int
        at: Instant

    class Ended(Event, frozen=True, tag="Ended"):
        """The account ended."""

        account: str
        at: Instant


class Second:
    """Amounts became decimal, in whatever currency, and numbers in JSON."""

    class Paid(Event, frozen=True, tag="Paid.2"):
        """Something was paid."""

        account: str
        payment: dict[str, Any]
        at: Instant


class Today:
    """The payment was unfolded, and `Ended` renamed."""

    class Paid(Event, frozen=True, tag="Paid.3"):
        """Something was paid."""

        account: str
        amount: Decimal
        currency: str
        at: Instant

    class Closed(Event, frozen=True, tag="Closed"):
        """The account was closed."""

        account: str
        reason: str
        at: Instant


def _decimal(fields: dict[str, Any]) -> dict[str, Any]:
    return {**fields, "payment": {"amount": Decimal(fields.pop("cents")) / 100, "currency": "EUR"}}


def _unfolded(fields: dict[str, Any]) -> dict[str, Any]:
    return {**fields, **fields.pop("payment")}


FIRST = Domain(
    name="accounts",
    commands=(Pay,),
    events=(First.Paid, First.Ended),
    aggregates=(Aggregate("accounts", Account),),
    stream_of=lambda command: command.account,
    event_time=lambda event: event.at,
)
SECOND = dataclasses.replace(
    FIRST, events=(Second.Paid, First.Ended), upcasters=(Upcaster("Paid", "Paid.2", _decimal),)
)
TODAY = dataclasses.replace(
    FIRST,
    events=(Today.Paid, Today.Closed),
    upcasters=(
        *SECOND.upcasters,
        Upcaster("Paid.2", "Paid.3", _unfolded),
        Upcaster("Ended", "Closed", lambda fields: {**fields, "reason": "unknown"}),
    ),
)


def history() -> tuple[bytes, bytes, bytes, bytes, bytes]:
    """Stored data of every shape: three payments, an end, a closing. The second's amount is more than a float holds."""
    middle = encode(Second.Paid("a-1", {"amount": 0, "currency": "USD"}, AT)).replace(
        b"0,", b"98765432109876.54321,", 1
    )
    assert event_decoder(SECOND).decode(middle)
    return (
        encode(First.Paid("a-1", 10, AT)),
        middle,
        encode(Today.Paid("a-1", Decimal("3.00"), "CHF", AT)),
        encode(First.Ended("a-1", AT)),
        encode(Today.Closed("a-1", "moved", AT)),
    )


def envelope(data: bytes, *, kind: str, position: int = 7) -> bytes:
    """A record of the events topic around stored data."""
    marker = "DATA"
    made: Envelope[Any] = Envelope(
        id="c:1",
        source="headrace/accounts",
        type=kind,
        subject="a-1",
        time=AT,
        sequence=position,
        position=position,
        partitionkey="a-1",
        hash="00",
        correlationid="c",
        data=marker,
    )
    return encode(made).replace(encode(marker), data)
