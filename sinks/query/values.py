"""Values from outside, checked against the ClickHouse type that they are bound as, so that an error names the field.

ClickHouse alone would wrap a number that is too large, cut decimals off, and name its own parameter.
"""

import re
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from decimal import Context, Decimal, Inexact, InvalidOperation
from functools import cache
from uuid import UUID

from schemas import Invalid

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_INTEGER = re.compile(r"(?P<unsigned>U?)Int(?P<bits>\d+)")
_DECIMAL = re.compile(r"Decimal\((?P<precision>\d+), ?(?P<scale>\d+)\)")
_WHOLE = re.compile(r"-?[0-9]{1,78}")


def checked(text: str, spelling: str, field: str) -> str:
    """The value as ClickHouse is to read it. Raises Invalid, naming the field."""
    check, what = _check(spelling)
    try:
        return check(text)
    except (ValueError, ArithmeticError) as error:
        raise Invalid(f"{field} must be {what}, not {text[:100]!r}", rule="invalid-value", field=field) from error


def micros(text: str) -> str:
    """Microseconds since 1970 of an instant, RFC 3339 or a date alone; without an offset it is UTC."""
    instant = datetime.fromisoformat(text)
    if instant.tzinfo is None:
        instant = instant.replace(tzinfo=UTC)
    return str((instant - _EPOCH) // timedelta(microseconds=1))


@cache
def _check(spelling: str) -> tuple[Callable[[str], str], str]:
    """What checks a value of a type, and what to call such a value."""
    if match := _INTEGER.fullmatch(spelling):
        bits = int(match["bits"]) - (not match["unsigned"])
        least = 0 if match["unsigned"] else -(2**bits)
        return _whole(least, 2**bits - 1), f"a whole number from {least} to {2**bits - 1}"
    if match := _DECIMAL.fullmatch(spelling):
        precision, scale = int(match["precision"]), int(match["scale"])
        return _exact(precision, scale), f"a number with at most {scale} decimals"
    if spelling.startswith("DateTime"):
        return micros, "an instant as 2026-01-31T12:00:00Z"
    if spelling in ("Date", "Date32"):
        return lambda text: date.fromisoformat(text).isoformat(), "a day as 2026-01-31"
    if spelling.startswith("Float"):
        return lambda text: str(float(text)), "a number"
    if spelling == "Bool":
        return _truth, "true or false"
    if spelling == "UUID":
        return lambda text: str(UUID(text)), "a UUID"
    return str, "a text"


def _whole(least: int, most: int) -> Callable[[str], str]:
    def check(text: str) -> str:
        if not _WHOLE.fullmatch(text) or not least <= int(text) <= most:
            raise ValueError(text)
        return text

    return check


def _exact(precision: int, scale: int) -> Callable[[str], str]:
    exact = Context(prec=precision, traps=[Inexact, InvalidOperation])

    def check(text: str) -> str:
        value = exact.quantize(Decimal(text), Decimal(1).scaleb(-scale))
        if not value.is_finite():
            raise ValueError(text)
        return f"{value:f}"

    return check


def _truth(text: str) -> str:
    if text not in ("true", "false"):
        raise ValueError(text)
    return text
