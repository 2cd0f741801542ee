"""Passes over the data of native columns by their type, without making values of it.

Format: ClickHouse `src/DataTypes/Serializations`; a column is its state prefixes, then its data.
"""

import re
from functools import cache
from typing import Protocol

from infra.clickhouse.errors import NOT_IMPLEMENTED, ServerError
from infra.clickhouse.source import Source

_WIDTHS = {
    **{f"{sign}Int{bits}": bits // 8 for sign in ("", "U") for bits in (8, 16, 32, 64, 128, 256)},
    "Bool": 1,
    "Float32": 4,
    "Float64": 8,
    "BFloat16": 2,
    "UUID": 16,
    "IPv4": 4,
    "IPv6": 16,
    "Nothing": 1,
    "Date": 2,
    "Date32": 4,
    "DateTime": 4,
    "DateTime64": 8,
    "Time": 4,
    "Time64": 8,
    "Enum8": 1,
    "Enum16": 2,
}
_DECIMALS = ((9, 4), (18, 8), (38, 16), (76, 32))
_ALIASES = {
    "Point": "Tuple(Float64, Float64)",
    "Ring": "Array(Point)",
    "LineString": "Array(Point)",
    "Polygon": "Array(Ring)",
    "MultiLineString": "Array(LineString)",
    "MultiPolygon": "Array(Polygon)",
}


class Column(Protocol):
    """Passes one column: `prefix` its state prefixes, then `data` its `rows` values."""

    def prefix(self, source: Source) -> None: ...
    def data(self, source: Source, rows: int) -> None: ...


class _Fixed:
    def __init__(self, width: int) -> None:
        self.width = width

    def prefix(self, source: Source) -> None:
        pass

    def data(self, source: Source, rows: int) -> None:
        source.skip(self.width * rows)


class _String:
    def prefix(self, source: Source) -> None:
        pass

    def data(self, source: Source, rows: int) -> None:
        source.skip_strings(rows)


class _Nullable:
    def __init__(self, inner: Column) -> None:
        self.inner = inner

    def prefix(self, source: Source) -> None:
        self.inner.prefix(source)

    def data(self, source: Source, rows: int) -> None:
        source.skip(rows)
        self.inner.data(source, rows)


class _Array(_Nullable):
    def data(self, source: Source, rows: int) -> None:
        if rows:
            source.skip(8 * (rows - 1))
            self.inner.data(source, source.number(8))


class _Tuple:
    def __init__(self, inner: list[Column]) -> None:
        self.inner = inner

    def prefix(self, source: Source) -> None:
        for column in self.inner:
            column.prefix(source)

    def data(self, source: Source, rows: int) -> None:
        for column in self.inner:
            column.data(source, rows)


class _LowCardinality:
    def __init__(self, inner: Column) -> None:
        self.inner = inner

    def prefix(self, source: Source) -> None:
        source.skip(8)

    def data(self, source: Source, rows: int) -> None:
        if rows:
            width = 1 << (source.number(8) & 0xFF)
            self.inner.data(source, source.number(8))
            source.skip(width * source.number(8))


class _Json:
    """JSON as text: what the engine writes when told to (`output_format_native_write_json_as_string`)."""

    def prefix(self, source: Source) -> None:
        if source.number(8) != 1:
            raise ServerError(NOT_IMPLEMENTED, "JSON in another form than text is not supported here")

    def data(self, source: Source, rows: int) -> None:
        source.skip_strings(rows)


@cache
def column(spelling: str) -> Column:
    """The column of a type as ClickHouse spells it. Raises ServerError (48) for a type that is not supported."""
    name, arguments = _parts(_ALIASES.get(spelling, spelling))
    if name == "String":
        return _String()
    if name == "FixedString":
        return _Fixed(int(arguments[0]))
    if name.startswith("Decimal"):
        precision = int(arguments[0]) if name == "Decimal" else int(name[7:]) // 32 * 9
        return _Fixed(next(width for digits, width in _DECIMALS if precision <= digits))
    if name.startswith("Interval"):
        return _Fixed(8)
    if name in _WIDTHS:
        return _Fixed(_WIDTHS[name])
    if name == "Nullable":
        return _Nullable(column(arguments[0]))
    if name == "Array":
        return _Array(column(arguments[0]))
    if name == "Map":
        return _Array(_Tuple([column(argument) for argument in arguments]))
    if name in ("Tuple", "Nested"):
        inner = _Tuple([column(_without_name(argument)) for argument in arguments])
        return inner if name == "Tuple" else _Array(inner)
    if name == "LowCardinality":
        return _LowCardinality(
            column(
                arguments[0].removeprefix("Nullable(").removesuffix(")")
                if arguments[0].startswith("Nullable(")
                else arguments[0]
            )
        )
    if name == "SimpleAggregateFunction":
        return column(arguments[-1])
    if name == "JSON":
        return _Json()
    raise ServerError(NOT_IMPLEMENTED, f"columns of type {spelling} are not supported here; convert to another type")


def _parts(spelling: str) -> tuple[str, list[str]]:
    """Name and arguments of a type, cut at the commas of the outer level."""
    name, bracket, rest = spelling.strip().partition("(")
    if not bracket:
        return name, []
    arguments, depth, quote, start = [], 0, "", 0
    inner = rest[: rest.rindex(")")]
    skip = False
    for index, char in enumerate(inner):
        if skip:
            skip = False
        elif quote:
            skip = char == "\\"
            quote = "" if char == quote else quote
        elif char in "'`\"":
            quote = char
        elif char in "()":
            depth += 1 if char == "(" else -1
        elif char == "," and not depth:
            arguments.append(inner[start:index].strip())
            start = index + 1
    arguments.append(inner[start:].strip())
    return name, [argument for argument in arguments if argument]


def _without_name(element: str) -> str:
    """Type of a tuple's element, which may have a name before it."""
    named = re.match(r"(?:`(?:[^`\\]|\\.)*`|[A-Za-z_]\w*)\s+(?=\S)", element)
    return element[named.end() :] if named else element
