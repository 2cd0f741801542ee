"""Lists of rows: filters, order and pages over the real columns of a table, every value bound.

A name from outside is only ever compared with the table's columns; a value only ever bound as a parameter.
"""

import base64
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from schemas import Invalid
from sinks.query.reader import Reader
from sinks.query.values import checked
from sinks.tables import ENGINE_COLUMNS

MAX_LIMIT = 1000
_HIDDEN = frozenset(ENGINE_COLUMNS) - {"position"}
OPERATORS = {"": "=", "ne": "!=", "gt": ">", "gte": ">=", "lt": "<", "lte": "<=", "in": "IN"}
_WRAPPED = re.compile(r"(?:LowCardinality|Nullable)\((.*)\)\Z")
_SCALAR = re.compile(r"U?Int\d+|Float\d+|String|Bool|UUID|Date(32)?|DateTime|DateTime64\(.*\)|Decimal\(.*\)\Z")


@dataclass(frozen=True)
class Column:
    """A column that may be asked for; `type` has no wrapping, `nullable` says whether it may be NULL."""

    name: str
    type: str
    nullable: bool

    @property
    def order(self) -> str:
        """Its value for ordering: NULL counts as the type's default."""
        return f"ifNull({self.name}, defaultValueOfTypeName({_literal(self.type)}))" if self.nullable else self.name

    def parameter(self, name: str) -> str:
        """A bound value of its type, as `checked` gives it."""
        if self.type.startswith("DateTime"):
            return f"fromUnixTimestamp64Micro({{{name}:Int64}}, 'UTC')"
        return f"{{{name}:{self.type}}}"


class Columns:
    """Columns of tables, asked once."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader
        self._known: dict[tuple[str, str], dict[str, Column]] = {}

    async def of(self, database: str, table: str) -> dict[str, Column]:
        """The columns of a table by name, those of the engine left out."""
        if (database, table) not in self._known:
            found = await self._reader.read(database, f"DESCRIBE TABLE {table}")
            columns = [_column(name, spelling) for name, spelling, *_ in found.rows if name not in _HIDDEN]
            self._known[database, table] = {column.name: column for column in columns}
        return self._known[database, table]


@dataclass(frozen=True)
class Page:
    """One page of a list: its query and parameters, and what the next page's cursor is made of."""

    query: str
    parameters: dict[str, Any]
    limit: int
    sort: tuple[str, ...]

    def next(self, rows: list[tuple[Any, ...]]) -> str | None:
        """The cursor of the next page; None on the last one. The last columns of a row are its place in the order."""
        if len(rows) <= self.limit:
            return None
        keys = [str(value) for value in rows[self.limit - 1][-len(self.sort) :]]
        return base64.urlsafe_b64encode(msgspec.json.encode([list(self.sort), keys])).decode().rstrip("=")


def page(table: str, columns: Mapping[str, Column], key: str, asked: Iterable[tuple[str, str]]) -> Page:
    """The query for one page. Raises Invalid for an unknown column, operator, order, limit or cursor, naming it."""
    conditions: list[str] = []
    parameters: dict[str, Any] = {}
    sort: tuple[str, ...] = (key,)
    limit, cursor = 100, ""
    for name, value in asked:
        if name == "sort":
            sort = _sort(value, columns, key)
        elif name == "limit":
            limit = whole_number(value, "limit", 1, MAX_LIMIT)
        elif name == "cursor":
            cursor = value
        else:
            conditions.append(_condition(name, value, columns, parameters))
    if cursor:
        conditions.append(_after(cursor, sort, columns, parameters))
    names = ", ".join(columns)
    places = ", ".join(f"toString({columns[s.lstrip('-')].order})" for s in sort)
    order = ", ".join(f"{columns[s.lstrip('-')].order}{' DESC' if s[0] == '-' else ''}" for s in sort)
    where = f" WHERE {' AND '.join(conditions)}" if conditions else ""
    query = f"SELECT {names}, {places} FROM {table} FINAL{where} ORDER BY {order} LIMIT {limit + 1}"
    return Page(query, parameters, limit, sort)


def whole_number(text: str, name: str, least: int, most: int) -> int:
    """The number in a parameter. Raises Invalid, naming it, when it is none or out of range."""
    if not (text.isascii() and text.isdecimal() and len(text) < 20 and least <= int(text) <= most):
        raise Invalid(f"{name} must be a number from {least} to {most}", rule="invalid-parameter", field=name)
    return int(text)


def _column(name: str, spelling: str) -> Column:
    nullable = "Nullable(" in spelling and spelling.startswith(("Nullable", "LowCardinality(Nullable"))
    while wrapped := _WRAPPED.match(spelling):
        spelling = wrapped[1]
    return Column(name, spelling, nullable)


def _known(name: str, columns: Mapping[str, Column], field: str) -> Column:
    column = columns.get(name)
    if column is None or not _SCALAR.match(column.type):
        usable = ", ".join(c.name for c in columns.values() if _SCALAR.match(c.type))
        raise Invalid(
            f"there is no column {name!r} to use here; there are {usable}", rule="unknown-column", field=field
        )
    return column


def _condition(name: str, value: str, columns: Mapping[str, Column], parameters: dict[str, Any]) -> str:
    column_name, _, operator = name.partition("__")
    column = _known(column_name, columns, name)
    if operator not in OPERATORS:
        known = ", ".join(f"__{o}" for o in OPERATORS if o)
        raise Invalid(f"there is no operator __{operator}; there are {known}", rule="unknown-operator", field=name)
    values = value.split(",") if operator == "in" else [value]
    bound = [column.parameter(_bind(parameters, checked(each, column.type, name))) for each in values]
    listed = f"({', '.join(bound)})" if operator == "in" else bound[0]
    return f"{column.name} {OPERATORS[operator]} {listed}"


def _sort(value: str, columns: Mapping[str, Column], key: str) -> tuple[str, ...]:
    sort = tuple(part.strip() for part in value.split(","))
    for part in sort:
        _known(part.removeprefix("-"), columns, "sort")
    return sort if key in [part.lstrip("-") for part in sort] else (*sort, key)


def _after(cursor: str, sort: tuple[str, ...], columns: Mapping[str, Column], parameters: dict[str, Any]) -> str:
    """Condition for the rows behind the cursor: a later first column, or the same and a later second one, ..."""
    try:
        packed = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))
        of_sort, keys = msgspec.json.decode(packed, type=tuple[list[str], list[str]])
    except (ValueError, msgspec.MsgspecError) as error:
        raise Invalid("the cursor is not one that this API gave", rule="invalid-cursor", field="cursor") from error
    if tuple(of_sort) != sort or len(keys) != len(sort):
        raise Invalid("the cursor belongs to another order (`sort`)", rule="invalid-cursor", field="cursor")
    alternatives, equal = [], ""
    for part, value in zip(sort, keys, strict=True):
        column = columns[part.lstrip("-")]
        bound = column.parameter(_bind(parameters, checked(value, column.type, "cursor")))
        alternatives.append(f"{equal}{column.order} {'<' if part[0] == '-' else '>'} {bound}")
        equal += f"{column.order} = {bound} AND "
    return "(" + " OR ".join(f"({alternative})" for alternative in alternatives) + ")"


def _bind(parameters: dict[str, Any], value: str) -> str:
    name = f"v{len(parameters)}"
    parameters[name] = value
    return name


def _literal(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"
