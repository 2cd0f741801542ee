"""Values as ClickHouse would give them back, had they been loaded into columns of these types."""

import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

from sinks.fitting import fitted
from sinks.query.keyset import Column
from sinks.query.shapes import shape

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_INSTANT = re.compile(r"DateTime64\((\d)\b.*\)")
_ARRAY = re.compile(r"Array\((.*)\)")
_MAP = re.compile(r"Map\((LowCardinality\(\w+\)|\w+), (.*)\)")
_WRAPPED = re.compile(r"(?:Nullable|LowCardinality)\((.*)\)")


def as_loaded(columns: Mapping[str, Column], values: Mapping[str, Any]) -> dict[str, Any]:
    """The values of these columns. Raises Misfit, naming the column, for one that does not fit."""
    types = {c.name: f"Nullable({c.type})" if c.nullable else c.type for c in columns.values()}
    sent = fitted(types, [[values[name]] for name in types])
    return {
        name: shape(kind)([_back(kind)(column[0])])[0] for (name, kind), column in zip(types.items(), sent, strict=True)
    }


@cache
def _back(spelling: str) -> Callable[[Any], Any]:
    """From what is sent to what is received, by a type's spelling."""
    if match := _WRAPPED.fullmatch(spelling):
        inner = _back(match[1])
        return lambda value: None if value is None else inner(value)
    if match := _INSTANT.fullmatch(spelling):
        unit = 10 ** (6 - int(match[1]))  # microseconds a tick
        return lambda value: _EPOCH + timedelta(microseconds=value * unit)
    if match := _ARRAY.fullmatch(spelling):
        inner = _back(match[1])
        return lambda value: [inner(each) for each in value]
    if match := _MAP.fullmatch(spelling):
        inner = _back(match[2])
        return lambda value: {key: inner(each) for key, each in value.items()}
    if re.fullmatch(r"U?Int\d+", spelling):
        return int
    return lambda value: value.decode() if isinstance(value, bytes) else value
