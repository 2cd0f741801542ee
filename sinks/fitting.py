"""Values as the client library must be given them; one that does not fit its column is found before an insert.

The library writes instants before 1970 up to a second late, cuts off decimals, and fails a whole block for one bad
value. So values are made exact here, and a bad one is named.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Context, Decimal, Inexact, InvalidOperation
from functools import cache
from typing import Any

Column = Sequence[Any]
Fit = Callable[[Column], list[Any]]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_UNFIT = (TypeError, ValueError, ArithmeticError, AttributeError)
_WRAPPED = re.compile(r"(?P<outer>LowCardinality|Nullable|Array)\((?P<inner>.*)\)")
_MAP = re.compile(r"Map\((?P<key>LowCardinality\(\w+\)|\w+), (?P<value>.*)\)")
_INSTANT = re.compile(r"DateTime64\((?P<scale>\d)\b.*\)")
_DECIMAL = re.compile(r"Decimal\((?P<precision>\d+), (?P<scale>\d+)\)")
_INTEGER = re.compile(r"(?P<unsigned>U?)Int(?P<bits>\d+)")


class Misfit(ValueError):
    """A value that does not fit its column, which the message names."""


def fitted(types: Mapping[str, str], columns: Sequence[Column]) -> list[list[Any]]:
    """The columns as the client library takes them. `types` are their names and ClickHouse types, in their order.

    Raises Misfit when a value does not fit.
    """
    made = []
    for (name, spelling), column in zip(types.items(), columns, strict=True):
        try:
            made.append(_fit(spelling)(column))
        except _UNFIT as error:
            raise Misfit(f"column {name}: {error or type(error).__name__}") from error
    return made


@cache
def _fit(spelling: str) -> Fit:
    if match := _WRAPPED.fullmatch(spelling):
        inner = _fit(match["inner"])
        return {"LowCardinality": inner, "Nullable": _nullable(inner), "Array": _array(inner)}[match["outer"]]
    if match := _MAP.fullmatch(spelling):
        return _map(_fit(match["key"]), _fit(match["value"]))
    if match := _INSTANT.fullmatch(spelling):
        return _instants(int(match["scale"]))
    if match := _DECIMAL.fullmatch(spelling):
        return _decimals(int(match["precision"]), int(match["scale"]))
    if match := _INTEGER.fullmatch(spelling):
        bits = int(match["bits"])
        return _integers(0, 2**bits - 1) if match["unsigned"] else _integers(-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)
    return _texts if spelling == "String" else list


def _of_types(column: Column, *types: type) -> None:
    if not (found := set(map(type, column))).issubset(types):
        raise TypeError(f"a value of {', '.join(sorted(t.__name__ for t in found.difference(types)))}")


def _texts(column: Column) -> list[Any]:
    _of_types(column, str, bytes)
    return list(column)


def _integers(least: int, most: int) -> Fit:
    def fit(column: Column) -> list[Any]:
        _of_types(column, int, bool)
        if column and (min(column) < least or max(column) > most):
            raise ValueError(f"a number out of {least} to {most}")
        return list(column)

    return fit


def _instants(scale: int) -> Fit:
    """Instants as numbers of ticks since 1970, which the library passes on as they are."""
    tick, more = timedelta(microseconds=10 ** max(0, 6 - scale)), 10 ** max(0, scale - 6)

    def fit(column: Column) -> list[Any]:
        return [(value - _EPOCH) // tick for value in column]

    return fit if more == 1 else lambda column: [ticks * more for ticks in fit(column)]


def _decimals(precision: int, scale: int) -> Fit:
    exact = Context(prec=precision, traps=[Inexact, InvalidOperation])
    unit = Decimal(1).scaleb(-scale)

    def fit(column: Column) -> list[Any]:
        _of_types(column, Decimal, int)
        made = [exact.quantize(Decimal(value), unit) for value in column]
        if not all(map(Decimal.is_finite, made)):
            raise ValueError("not a number")
        return made

    return fit


def _nullable(inner: Fit) -> Fit:
    def fit(column: Column) -> list[Any]:
        values = iter(inner([value for value in column if value is not None]))
        return [None if value is None else next(values) for value in column]

    return fit


def _array(inner: Fit) -> Fit:
    return lambda column: [inner(value) for value in column]


def _map(key: Fit, value: Fit) -> Fit:
    return lambda column: [dict(zip(key(tuple(m)), value(tuple(m.values())), strict=True)) for m in column]
