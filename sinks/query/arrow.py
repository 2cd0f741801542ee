"""ClickHouse's types as Arrow's."""

import json
import re
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

import pyarrow


def _whole(kind: str, bits: int) -> Any:
    return getattr(pyarrow, f"{kind.lower()}{bits}")()


_SIMPLE = {
    "String": pyarrow.string(),
    "Bool": pyarrow.bool_(),
    "Date": pyarrow.date32(),
    "Date32": pyarrow.date32(),
    "DateTime": pyarrow.timestamp("s", "UTC"),
    "Float32": pyarrow.float32(),
    "Float64": pyarrow.float64(),
    **{
        f"{kind}{bits}": getattr(pyarrow, f"{kind.lower()}{bits}")()
        for kind in ("Int", "UInt")
        for bits in (8, 16, 32, 64)
    },
}
_UNITS = ("s", "ms", "us", "ns")
_CALL = re.compile(r"(\w+)\((.*)\)", re.DOTALL)
# Types that are what their last argument is.
_WRAPPERS = {"Nullable", "LowCardinality", "SimpleAggregateFunction"}


@cache
def arrow_type(spelling: str) -> Any:
    """The Arrow type of a ClickHouse type, by its spelling; text for those that Arrow has none for."""
    if spelling in _SIMPLE:
        return _SIMPLE[spelling]
    match = _CALL.fullmatch(spelling)
    if match is None:
        return pyarrow.string()
    name, arguments = match[1], _arguments(match[2])
    if name in _WRAPPERS:
        return arrow_type(arguments[-1])
    if name == "Decimal":
        precision, scale = int(arguments[0]), int(arguments[1])
        return pyarrow.decimal128(precision, scale) if precision <= 38 else pyarrow.decimal256(precision, scale)
    if name == "DateTime":
        return pyarrow.timestamp("s", "UTC")
    if name == "DateTime64":
        # Python's instants, in which the client library answers, have microseconds.
        return pyarrow.timestamp(_UNITS[min((int(arguments[0]) + 2) // 3, 2)], "UTC")
    if name == "Array":
        return pyarrow.list_(arrow_type(arguments[0]))
    if name == "Map":
        return pyarrow.map_(arrow_type(arguments[0]), arrow_type(arguments[1]))
    return pyarrow.string()


def fitting(column: Sequence[Any], kind: Any) -> Sequence[Any]:
    """The values of a column as Arrow takes them for its type."""
    if pyarrow.types.is_string(kind):
        return [value if value is None or isinstance(value, str) else _text(value) for value in column]
    make = _maker(kind)
    return column if make is None else [None if value is None else make(value) for value in column]


def _maker(kind: Any) -> Callable[[Any], Any] | None:
    """What brings a nested value into shape; None: it is in shape already."""
    if pyarrow.types.is_map(kind):
        return lambda value: list(zip(value, fitting(list(value.values()), kind.item_type), strict=True))
    if pyarrow.types.is_list(kind):
        return lambda value: fitting(value, kind.value_type)
    return None


def _text(value: Any) -> str:
    return json.dumps(value, default=str) if isinstance(value, dict | list | tuple) else str(value)


def _arguments(text: str) -> list[str]:
    """The arguments in a type's brackets, cut at the commas outside of inner ones."""
    found, depth, start = [], 0, 0
    for index, letter in enumerate(text):
        depth += (letter == "(") - (letter == ")")
        if letter == "," and depth == 0:
            found.append(text[start:index].strip())
            start = index + 1
    return [*found, text[start:].strip()]
