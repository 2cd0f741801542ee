"""Lists of rows: filters, order and pages over the real columns of a table, every value bound.

A name from outside is only ever compared with the table's columns; a value only ever bound as a parameter.
"""

from collections.abc import Iterable, Mapping

from schemas import Invalid
from sinks.query.keyset import Bound, Column, Page, column_of, known, mark, page_of
from sinks.query.parameters import whole_number
from sinks.query.reader import Reader
from sinks.query.values import checked
from sinks.tables import ENGINE_COLUMNS, OPENED

MAX_LIMIT = 1000
_HIDDEN = frozenset((*ENGINE_COLUMNS, OPENED)) - {"position"}
OPERATORS = {"": "=", "ne": "!=", "gt": ">", "gte": ">=", "lt": "<", "lte": "<=", "in": "IN"}


class Columns:
    """Columns of tables, asked once."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader
        self._known: dict[tuple[str, str], dict[str, Column]] = {}

    async def of(self, database: str, table: str) -> dict[str, Column]:
        """The columns of a table by name, those of the engine left out."""
        if (database, table) not in self._known:
            found = await self._reader.read(database, f"DESCRIBE TABLE {table}")
            columns = [column_of(name, spelling) for name, spelling, *_ in found.rows if name not in _HIDDEN]
            self._known[database, table] = {column.name: column for column in columns}
        return self._known[database, table]


def page(table: str, columns: Mapping[str, Column], key: str, asked: Iterable[tuple[str, str]]) -> Page:
    """The query for one page. Raises Invalid for an unknown column, operator, order, limit or cursor, naming it."""
    conditions: list[str] = []
    bound, filters = Bound(), []
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
            conditions.append(_condition(name, value, columns, bound))
            filters.append((name, value))
    of = mark(table, sorted(filters))
    return page_of(f"{table} FINAL", columns, sort, limit, cursor, conditions=conditions, bound=bound, of=of)


def _condition(name: str, value: str, columns: Mapping[str, Column], bound: Bound) -> str:
    column_name, _, operator = name.partition("__")
    column = known(column_name, columns, name)
    if operator not in OPERATORS:
        listed = ", ".join(f"__{o}" for o in OPERATORS if o)
        raise Invalid(f"there is no operator __{operator}; there are {listed}", rule="unknown-operator", field=name)
    values = value.split(",") if operator == "in" else [value]
    parameters = [column.parameter(bound.add(checked(each, column.type, name))) for each in values]
    compared = f"({', '.join(parameters)})" if operator == "in" else parameters[0]
    return f"{column.name} {OPERATORS[operator]} {compared}"


def _sort(value: str, columns: Mapping[str, Column], key: str) -> tuple[str, ...]:
    sort = tuple(part.strip() for part in value.split(","))
    for part in sort:
        known(part.removeprefix("-"), columns, "sort")
    return sort if key in [part.lstrip("-") for part in sort] else (*sort, key)
