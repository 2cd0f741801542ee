"""Base types of commands and events, and the field types that validate input once, at the edge."""

from datetime import datetime
from decimal import Decimal
from typing import Annotated

from msgspec import Meta, Struct

Id = Annotated[str, Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.:-]{0,127}\Z", description="An identifier.")]
Country = Annotated[str, Meta(pattern=r"^[A-Z]{2}\Z", description="A country, ISO 3166-1 alpha-2.")]
Text = Annotated[str, Meta(min_length=1, max_length=2000)]
Quantity = Annotated[int, Meta(ge=1, le=1_000_000_000)]
Instant = Annotated[datetime, Meta(tz=True, description="An instant, RFC 3339 with an offset.")]

_AMOUNT_LIMIT = Decimal(10) ** 13
_ONE = Decimal(1)
_CENT = Decimal("0.01")
# ISO 4217 currencies without minor units; all others are kept to two decimals.
_WHOLE = frozenset({"BIF", "CLP", "DJF", "GNF", "ISK", "JPY", "KMF", "KRW", "PYG", "RWF", "UGX", "VND", "XAF"})


class Command(Struct, frozen=True, kw_only=True, tag=True, forbid_unknown_fields=True):
    """What a client asks for. Subclasses are tagged with their name in the field `type`."""


class Event(Struct, frozen=True, kw_only=True, tag=True):
    """What has happened. Subclasses are tagged with their name; unknown fields of later versions are passed over."""


class Ticked(Event, frozen=True, kw_only=True):
    """Nothing happened: the domain was quiet, and its event time went on to `at`. No fold is called with it."""

    at: Instant


class Money(Struct, frozen=True):
    """An exact, non-negative amount of one currency (ISO 4217 code), with that currency's number of decimals.

    Raises ValueError (msgspec: ValidationError with the field's path) on a negative, over-precise, infinite
    or too large amount.
    """

    amount: Decimal
    currency: Annotated[str, Meta(pattern=r"^[A-Z]{3}\Z")]

    def __post_init__(self) -> None:
        amount = self.amount
        if not amount.is_finite():
            raise ValueError("amount must be a finite decimal number")
        if amount < 0:
            raise ValueError("amount must not be negative")
        if amount >= _AMOUNT_LIMIT:
            raise ValueError("amount must be below 10,000,000,000,000")
        unit = _ONE if self.currency in _WHOLE else _CENT
        # Nearly every amount has just these decimals, and to take a number apart costs ten times as much.
        if not amount.same_quantum(unit):
            exponent, least = amount.as_tuple().exponent, unit.as_tuple().exponent
            if isinstance(exponent, int) and isinstance(least, int) and exponent < least:
                raise ValueError(f"amount must have at most {-least} decimals in {self.currency}")
