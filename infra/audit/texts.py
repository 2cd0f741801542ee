"""One spelling for a column's values, the same in ClickHouse's SQL and here, so that digests of rows can be compared.

Text stands for itself, numbers and dates for what they are written as, an instant for its number of ticks since 1970, a
float for its bits. In a row, and in an array or map, each value comes after its length in bytes and a colon. Null is
`-`, and what may be null but is not begins with `+`.
"""

import re
import struct
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from hashlib import sha256
from typing import Any

from infra.audit.digests import number

_WRAPPED = re.compile(r"(?P<outer>LowCardinality|Nullable|Array)\((?P<inner>.*)\)")
_MAP = re.compile(r"Map\((?P<key>LowCardinality\(\w+\)|\w+), (?P<value>.*)\)")
_PLAIN = re.compile(r"String|UUID|Date|Date32|FixedString\(\d+\)|U?Int\d+|Enum\d+\(.*\)")


@dataclass(frozen=True)
class Text:
    """How values of a type are spelled: in SQL from an expression, and here from a value as the loader sends it."""

    sql: Callable[[str], str]
    of: Callable[[Any], bytes]


def text_of(spelling: str) -> Text | None:
    """The spelling of a ClickHouse type's values; None for a type that is not compared."""
    if match := _WRAPPED.fullmatch(spelling):
        inner = text_of(match["inner"])
        return None if inner is None else _wrapped(match["outer"], inner)
    if match := _MAP.fullmatch(spelling):
        key, value = text_of(match["key"]), text_of(match["value"])
        return None if key is None or value is None else _map(key, value)
    if spelling.startswith("DateTime64("):
        return Text(lambda x: f"toString(reinterpretAsInt64({x}))", lambda value: b"%d" % value)
    if spelling.startswith("DateTime"):
        return Text(lambda x: f"toString(toUnixTimestamp({x}))", lambda value: b"%d" % value.timestamp())
    if spelling.startswith("Decimal("):
        return Text(lambda x: f"toString({x})", _decimal)
    if spelling == "Bool":
        return Text(lambda x: f"toString(toUInt8({x}))", lambda value: b"%d" % value)
    if spelling == "Float64":
        return Text(
            lambda x: f"toString(reinterpretAsUInt64({x}))",
            lambda value: b"%d" % int.from_bytes(struct.pack("<d", value), "little"),
        )
    return Text(lambda x: f"toString({x})", _plain) if _PLAIN.fullmatch(spelling) else None


def _plain(value: object) -> bytes:
    return value if isinstance(value, bytes) else str(int(value) if isinstance(value, bool) else value).encode()


def _decimal(value: Decimal | int) -> bytes:
    written = f"{Decimal(value):f}"
    if "." in written:
        written = written.rstrip("0").rstrip(".")
    return b"0" if written == "-0" else written.encode()


def _sized(text: bytes) -> bytes:
    return b"%d:%b" % (len(text), text)


def _sized_sql(text: str) -> str:
    return f"concat(toString(length({text})), ':', {text})"


def _wrapped(outer: str, inner: Text) -> Text:
    if outer == "LowCardinality":
        return inner
    if outer == "Nullable":
        return Text(
            lambda x: f"if(isNull({x}), '-', concat('+', {inner.sql(f'assumeNotNull({x})')}))",
            lambda value: b"-" if value is None else b"+" + inner.of(value),
        )
    return Text(
        lambda x: f"arrayStringConcat(arrayMap(v -> {_sized_sql(inner.sql('v'))}, {x}))",
        lambda value: b"".join(_sized(inner.of(each)) for each in value),
    )


def _map(key: Text, value: Text) -> Text:
    def sql(x: str) -> str:
        entry = f"concat({_sized_sql(key.sql('k'))}, {_sized_sql(value.sql('v'))})"
        return f"arrayStringConcat(arrayMap((k, v) -> {entry}, mapKeys({x}), mapValues({x})))"

    return Text(sql, lambda found: b"".join(_sized(key.of(k)) + _sized(value.of(v)) for k, v in found.items()))


class RowTexts:
    """The spelling of a table's rows. `left_out` are columns of types that are not compared."""

    def __init__(self, types: Mapping[str, str], names: Sequence[str]) -> None:
        texts = {name: text_of(types[name]) for name in names}
        self._texts = {name: text for name, text in texts.items() if text is not None}
        self.left_out = [f"{name} {types[name]}" for name, text in texts.items() if text is None]

    @property
    def sql(self) -> str:
        """An expression that spells a row of the table."""
        return f"concat({', '.join(_sized_sql(text.sql(name)) for name, text in self._texts.items())})"

    def digests(self, names: Sequence[str], columns: Sequence[Sequence[Any]]) -> list[int]:
        """The digests of rows, given by columns: the first 8 bytes of the SHA-256 of how they are spelled."""
        spelled = [
            [_sized(text.of(value)) for value in columns[names.index(name)]] for name, text in self._texts.items()
        ]
        return [number(sha256(b"".join(row)).digest()) for row in zip(*spelled, strict=True)]
