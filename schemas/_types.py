"""Base types of commands and events, and the field types that validate input once, at the edge."""

import re
from datetime import datetime
from decimal import Decimal
from typing import Annotated

from msgspec import Meta, Struct

Id = Annotated[str, Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.:-]{0,127}\Z", description="An identifier.")]
Country = Annotated[str, Meta(pattern=r"^[A-Z]{2}\Z", description="A country, ISO 3166-1 alpha-2.")]
Text = Annotated[str, Meta(min_length=1, max_length=2000)]
Quantity = Annotated[int, Meta(ge=1, le=1_000_000_000)]
Instant = Annotated[datetime, Meta(tz=True, description="An instant, RFC 3339 with an offset.")]

_LIMIT = Decimal(10) ** 13
_ZERO, _ONE, _CENT = Decimal(0), Decimal(1), Decimal("0.01")
_CODE = re.compile(r"[A-Z]{3}", re.ASCII)
# The least amount of a currency, by its code (ISO 4217): those without minor units, and all others that were met.
_UNITS = dict.fromkeys(
    ("BIF", "CLP", "DJF", "GNF", "ISK", "JPY", "KMF", "KRW", "PYG", "RWF", "UGX", "VND", "XAF"), _ONE
)


class Command(Struct, frozen=True, kw_only=True, tag=True, forbid_unknown_fields=True):
    """What a client asks for. Subclasses are tagged with their name in the field `type`."""


class Event(Struct, frozen=True, kw_only=True, tag=True):
    """What has happened. Subclasses are tagged with their name; unknown fields of later versions are passed over."""


class Ticked(Event, frozen=True, kw_only=True):
    """Nothing happened: the domain was quiet, and its event time went on to `at`. No fold is called with it."""

    at: Instant


class BadField(ValueError):
    """What a `__post_init__` raises: `field` is the struct's field that breaks a rule, the message says which."""

    def __init__(self, field: str, detail: str) -> None:
        super().__init__(detail)
        self.field = field


class Money(Struct, frozen=True):
    """An exact, non-negative amount of one currency (ISO 4217 code), with that currency's number of decimals.

    Raises BadField (msgspec: ValidationError with the path of the Money) on a negative, over-precise, infinite or too
    large amount, and on what is no currency code.
    """

    amount: Decimal
    # Looked up below: to match the pattern would cost more than all the rest of a Money.
    currency: Annotated[str, Meta(extra_json_schema={"pattern": "^[A-Z]{3}$"})]

    def __post_init__(self) -> None:
        unit = _UNITS.get(self.currency)
        # Nearly every amount has just its currency's decimals; what has not is looked at closely.
        if unit is None or not (self.amount.same_quantum(unit) and _ZERO <= self.amount < _LIMIT):
            _check(self.amount, self.currency)


def _check(amount: Decimal, currency: str) -> None:
    if not _CODE.fullmatch(currency):
        raise BadField("currency", "currency must be three capital letters (ISO 4217)")
    unit = _UNITS.setdefault(currency, _CENT)
    if not amount.is_finite():
        raise BadField("amount", "amount must be a finite decimal number")
    if amount < 0:
        raise BadField("amount", "amount must not be negative")
    if amount >= _LIMIT:
        raise BadField("amount", "amount must be below 10,000,000,000,000")
    exponent, least = amount.as_tuple().exponent, unit.as_tuple().exponent
    if isinstance(exponent, int) and isinstance(least, int) and exponent < least:
        raise BadField("amount", f"amount must have at most {-least} decimals in {currency}")
