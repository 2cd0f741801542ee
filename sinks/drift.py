"""Tables that are older than their definitions: a new column is added, any other change stops with a sentence.

The definitions are compared as the engine itself understands them: it makes them once more, in databases beside the
live ones, which are dropped again. That is done only when their text is not what it was at the last comparison.
"""

import hashlib
import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from schemas import Fatal
from sinks.clickhouse import ClickHouse
from sinks.sql import statement

_BESIDE = "_wanted_"


@dataclass(frozen=True)
class _Column:
    name: str
    type: str
    kind: str
    default: str
    codec: str

    @property
    def definition(self) -> str:
        return " ".join(part for part in (f"`{self.name}`", self.type, self.kind, self.default, self.codec) if part)


@dataclass(frozen=True)
class _Table:
    name: str
    engine: str
    partitioned: str
    ordered: str
    query: str
    create: str
    columns: Mapping[str, _Column]


class Databases:
    """A pair of databases, that of the events and that of one projection, and how their tables are made.

    `make(events, projection)` makes what is missing in databases of these names; `text` is all that it runs.
    """

    def __init__(
        self, connection: ClickHouse, events: str, projection: str, text: str, make: Callable[[str, str], None]
    ) -> None:
        self._connection, self.make = connection, make
        self._names = events, projection
        self._fingerprint = hashlib.sha256(text.encode()).hexdigest()[:32]

    def prepare(self) -> None:
        """Make what is missing, after the tables that are there have got what is new in their definitions.

        Raises Fatal for a definition that was changed in another way.
        """
        events, projection = self._names
        known = self._known()
        if known == self._fingerprint:
            return
        if known is not None:
            self._follow()
        self.make(events, projection)
        self._connection.execute(statement("write_definition", database=events), [[projection], [self._fingerprint]])

    def _known(self) -> str | None:
        """The text's fingerprint at the last comparison; None when the tables have not been made yet."""
        events, projection = self._names
        if not self._connection.execute(statement("has_definitions", database=events)):
            return None
        found = self._connection.execute(statement("read_definition", database=events, projection=projection))
        return str(found[0][0]) if found else None

    def _follow(self) -> None:
        mark = f"{_BESIDE}{uuid.uuid4().hex[:8]}"
        beside = [f"{name}{mark}" for name in self._names]
        try:
            self.make(*beside)
            changes = [
                change
                for name, wanted in zip(self._names, beside, strict=True)
                for change in _changes(name, self._tables(name), self._tables(wanted, mark))
            ]
        finally:
            for name in reversed(beside):
                self._connection.execute(statement("drop_database", database=name))
        for change in changes:
            self._connection.execute(change)

    def _tables(self, database: str, mark: str = "") -> dict[str, _Table]:
        """The tables of a database by name, as if the mark were not in any database's name."""
        columns: dict[str, dict[str, _Column]] = {}
        for table, *column in self._connection.execute(statement("table_columns", database=database)):
            columns.setdefault(table, {})[column[0]] = _Column(*column)
        found = {}
        for row in self._connection.execute(statement("table_definitions", database=database)):
            name, engine, partitioned, ordered, query, create = (
                field.replace(mark, "") if mark else field for field in row
            )
            found[name] = _Table(name, engine, partitioned, ordered, query, create, columns.get(name, {}))
        return found


def _changes(database: str, live: Mapping[str, _Table], wanted: Mapping[str, _Table]) -> list[str]:
    """The statements that bring the live tables to what is wanted; views last. Raises Fatal for what none can do."""
    common = [(live[name], wanted[name]) for name in wanted if name in live]
    for there, new in common:
        _check(f"{database}.{there.name}", there, new)
    added = [change for there, new in common for change in _added(f"{database}.{there.name}", there, new)]
    views = [
        new.create.replace("CREATE VIEW", "CREATE OR REPLACE VIEW", 1)
        for there, new in common
        if new.engine == "View" and (there.query, there.columns) != (new.query, new.columns)
    ]
    return added + views


def _check(name: str, there: _Table, new: _Table) -> None:
    if new.engine == "View" == there.engine:
        return
    for what, before, now in (
        ("engine", there.engine, new.engine),
        ("partition key", there.partitioned, new.partitioned),
        ("order", there.ordered, new.ordered),
        ("query", there.query, new.query),
    ):
        if before != now:
            raise Fatal(
                f"the {what} of {name} is {now!r} in its definition and {before!r} in the table: no table can be "
                "changed to that. Take the definition back, or give it another name or a new projection version"
            )
    for column in new.columns.values():
        before_ = there.columns.get(column.name, column)
        if before_.type != column.type:
            raise Fatal(
                f"column {column.name} of {name} is {column.type} in its definition and {before_.type} in the table: "
                "what is loaded already would not fit. Take the definition back, or give the column another name, or "
                "the table a new projection version"
            )


def _added(name: str, there: _Table, new: _Table) -> Iterator[str]:
    if new.engine in ("View", "MaterializedView"):
        return
    before = ""
    for column in new.columns.values():
        if column.name not in there.columns:
            place = f"AFTER `{before}`" if before else "FIRST"
            yield f"ALTER TABLE {name} ADD COLUMN IF NOT EXISTS {column.definition} {place}"
        before = column.name
