"""Pages by key: each begins behind the last row of the one before, so rows that come in meanwhile shift nothing.

A row whose own key changes between two pages moves in the order, and can be met twice or not at all, as in any paging
over what changes. A cursor holds an order, a place in it, and what it is a cursor of; its values are checked and bound.
"""

import base64
import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec

from schemas import Invalid
from sinks.query.values import checked

_WRAPPED = re.compile(r"(?:LowCardinality|Nullable)\((.*)\)\Z")
_SCALAR = re.compile(r"U?Int\d+|Float\d+|String|Bool|UUID|Date(32)?|DateTime|DateTime64\(.*\)|Decimal\(.*\)\Z")


@dataclass(frozen=True)
class Column:
    """A column that may be asked for; `type` has no wrapping, `nullable` says whether it may be NULL."""

    name: str
    type: str
    nullable: bool

    @property
    def scalar(self) -> bool:
        """Whether it has an order."""
        return _SCALAR.match(self.type) is not None

    @property
    def order(self) -> str:
        """Its value for ordering: NULL counts as the type's default."""
        name = quoted(self.name)
        return f"ifNull({name}, defaultValueOfTypeName({_literal(self.type)}))" if self.nullable else name

    def parameter(self, name: str) -> str:
        """A bound value of its type, as `checked` gives it."""
        if self.type.startswith("DateTime"):
            return f"fromUnixTimestamp64Micro({{{name}:Int64}}, 'UTC')"
        return f"{{{name}:{self.type}}}"


@dataclass
class Bound:
    """Values to be bound, named as they come."""

    values: dict[str, Any] = field(default_factory=dict)
    prefix: str = "v"

    def add(self, value: str) -> str:
        """The name of a value."""
        name = f"{self.prefix}{len(self.values)}"
        self.values[name] = value
        return name


@dataclass(frozen=True)
class Page:
    """One page: its query and parameters, and what the next page's cursor is made of."""

    query: str
    parameters: dict[str, Any]
    limit: int
    sort: tuple[str, ...]
    of: str = ""

    def next(self, rows: Sequence[tuple[Any, ...]]) -> str | None:
        """The cursor of the next page; None on the last one. The last columns of a row are its place in the order."""
        if len(rows) <= self.limit:
            return None
        keys = [str(value) for value in rows[self.limit - 1][-len(self.sort) :]]
        packed = msgspec.json.encode([list(self.sort), keys, self.of])
        return base64.urlsafe_b64encode(packed).decode().rstrip("=")


def column_of(name: str, spelling: str) -> Column:
    """A column by the spelling of its type."""
    nullable = "Nullable(" in spelling and spelling.startswith(("Nullable", "LowCardinality(Nullable"))
    while wrapped := _WRAPPED.match(spelling):
        spelling = wrapped[1]
    return Column(name, spelling, nullable)


def known(name: str, columns: Mapping[str, Column], asked: str) -> Column:
    """The column of that name that has an order. Raises Invalid, naming the parameter that asked for it."""
    column = columns.get(name)
    if column is None or not column.scalar:
        usable = ", ".join(c.name for c in columns.values() if c.scalar)
        raise Invalid(
            f"there is no column {name!r} to use here; there are {usable}", rule="unknown-column", field=asked
        )
    return column


def mark(*what: object) -> str:
    """What a cursor is a cursor of, in short."""
    return hashlib.blake2b(msgspec.json.encode(what), digest_size=6).hexdigest()


def page_of(
    source: str,
    columns: Mapping[str, Column],
    sort: tuple[str, ...],
    limit: int,
    cursor: str,
    *,
    conditions: Iterable[str] = (),
    bound: Bound | None = None,
    of: str = "",
) -> Page:
    """The query for one page of a source in an order (`-` before a column turns it round), which must be total.

    Raises Invalid for a cursor that is none of this source and order.
    """
    bound, conditions = bound or Bound(), list(conditions)
    if cursor:
        conditions.append(_after(cursor, sort, columns, bound, of))
    names = ", ".join(map(quoted, columns))
    places = ", ".join(f"toString({columns[s.lstrip('-')].order})" for s in sort)
    order = ", ".join(f"{columns[s.lstrip('-')].order}{' DESC' if s[0] == '-' else ''}" for s in sort)
    where = f" WHERE {' AND '.join(conditions)}" if conditions else ""
    query = f"SELECT {names}, {places} FROM {source}{where} ORDER BY {order} LIMIT {limit + 1}"
    return Page(query, bound.values, limit, sort, of)


def quoted(name: str) -> str:
    """A column's name as the engine reads it, whatever it is made of."""
    return name if re.fullmatch(r"[A-Za-z_]\w*", name) else "`" + name.replace("\\", "\\\\").replace("`", "\\`") + "`"


def _after(cursor: str, sort: tuple[str, ...], columns: Mapping[str, Column], bound: Bound, of: str) -> str:
    """Condition for the rows behind the cursor: a later first column, or the same and a later second one, ..."""
    try:
        packed = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))
        of_sort, keys, of_what = msgspec.json.decode(packed, type=tuple[list[str], list[str], str])
    except (ValueError, msgspec.MsgspecError) as error:
        raise Invalid("the cursor is not one that this API gave", rule="invalid-cursor", field="cursor") from error
    if tuple(of_sort) != sort or len(keys) != len(sort):
        raise Invalid("the cursor belongs to another order (`sort`)", rule="invalid-cursor", field="cursor")
    if of_what != of:
        raise Invalid("the cursor belongs to another question", rule="invalid-cursor", field="cursor")
    alternatives, equal = [], ""
    for part, value in zip(sort, keys, strict=True):
        column = columns[part.lstrip("-")]
        parameter = column.parameter(bound.add(checked(value, column.type, "cursor")))
        alternatives.append(f"{equal}{column.order} {'<' if part[0] == '-' else '>'} {parameter}")
        equal += f"{column.order} = {parameter} AND "
    return "(" + " OR ".join(f"({alternative})" for alternative in alternatives) + ")"


def _literal(value: str) -> str:
    return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"
