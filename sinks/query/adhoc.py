"""Ad-hoc SQL: one read-only statement over the tables of the domains, with limits, a preview of its cost, and freshness
by the tables that the engine says it reads.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Annotated, Any

from msgspec import Meta, Struct

from schemas import Domain, Invalid
from sinks.query.paging import MAX_PAGE
from sinks.query.reader import NoTables, QueryFailed, Reader, Result
from sinks.query.values import checked
from sinks.sql import statement

MAX_ROWS, MAX_SECONDS, MAX_MEMORY = 1_000_000, 30, 2 << 30
_PLACEHOLDER = re.compile(r"\{(\w+):\s*([^{}]+?)\s*\}")
_TABLE = re.compile(r"^\s*TABLE(?:_FUNCTION)? id: \d+.*?, table(?:_function)?_name: (?P<name>\S+?),?$", re.MULTILINE)
# What `SELECT 1` and `numbers(n)` read from.
_FREE = {"system.one", "numbers"}


class Sql(Struct, frozen=True, forbid_unknown_fields=True):
    """A statement of the caller: one SELECT in ClickHouse's SQL, with placeholders `{name:Type}` for `parameters`.

    Names without a database are tables of `domain`; it may be left out where there is only one. The limits are those of
    this statement: rows of the result, seconds, and bytes of memory. With `limit` or `cursor` a page is answered, in
    the order that the statement ends with, or in that of its columns.
    """

    sql: Annotated[str, Meta(min_length=1, max_length=100_000)]
    domain: str | None = None
    parameters: dict[str, str | int | float | bool] = {}
    limit: Annotated[int, Meta(ge=1, le=MAX_PAGE)] | None = None
    cursor: str = ""
    max_rows: Annotated[int, Meta(ge=1, le=MAX_ROWS)] = 10_000
    max_seconds: Annotated[int, Meta(ge=1, le=MAX_SECONDS)] = 10
    max_memory: Annotated[int, Meta(ge=1 << 20, le=MAX_MEMORY)] = 1 << 30

    @property
    def paged(self) -> bool:
        """Whether a page is asked for."""
        return self.limit is not None or bool(self.cursor)

    @property
    def settings(self) -> dict[str, Any]:
        """What the server is told: the limits, and that only the last version of a row counts."""
        return {
            "final": 1,
            "max_result_rows": self.max_rows,
            "result_overflow_mode": "throw",
            "max_execution_time": self.max_seconds,
            "max_memory_usage": self.max_memory,
        }

    @property
    def statement(self) -> str:
        """The statement without a semicolon at its end. Raises Invalid for what the engine would read on after."""
        text = self.sql.strip().rstrip(";").rstrip()
        if not text:
            raise Invalid("sql must be a SELECT", rule="no-statement", field="sql")
        return text

    def bound(self) -> dict[str, str]:
        """The values of all placeholders. Raises Invalid, naming it, for one that is missing, unknown or ill-typed."""
        wanted = dict(_PLACEHOLDER.findall(self.statement))
        for name in self.parameters:
            if name not in wanted:
                raise Invalid(f"the statement has no {{{name}:…}}", rule="unknown-parameter", field=name)
        for name in wanted:
            if name not in self.parameters:
                raise Invalid(f"parameter {name} must be given", rule="missing-parameter", field=name)
        return {name: checked(_text(self.parameters[name]), kind, name) for name, kind in wanted.items()}


class Read(Struct, frozen=True):
    """A table that a statement reads, and how much of it by the engine's estimate."""

    table: str
    parts: int
    rows: int


class Described(Struct, frozen=True):
    """A table that can be queried when its domain is chosen: the types of its columns, by their names."""

    domain: str
    name: str
    columns: dict[str, str]


class Planner:
    """Asks the engine what a statement of a domain would read."""

    def __init__(self, reader: Reader, domains: Iterable[Domain]) -> None:
        self._reader = reader
        self._databases = {
            database: domain for domain in domains for database in (domain.database, domain.projection_database)
        }

    async def tables(self, domain: Domain, asked: Sql, edition: str = "") -> dict[Domain, set[str]]:
        """The tables that the statement reads, by their domains; with the database of an edition, from that alone.

        Raises Invalid for a statement that is wrong, or reads something else than the domains' tables.
        """
        query = statement("explain_tree", query=asked.statement)
        lines = (await self._asked(domain, query, asked, edition)).rows
        databases = {edition: domain} if edition else self._databases
        found: dict[Domain, set[str]] = {}
        for name in _TABLE.findall("\n".join(line for (line,) in lines)):
            database, _, table = name.replace("`", "").rpartition(".")
            if name in _FREE:
                continue
            if database not in databases:
                known = ", ".join(sorted(databases))
                raise Invalid(
                    f"{name} is none of the tables that can be queried; they are in {known}",
                    rule="unknown-table",
                    field="sql",
                )
            found.setdefault(databases[database], set()).add(table)
        return found

    async def preview(self, domain: Domain, asked: Sql) -> list[Read]:
        """What the statement would read, by the engine's estimate, without running it."""
        query = statement("explain_estimate", query=asked.statement)
        found = (await self._asked(domain, query, asked)).objects()
        return [Read(f"{row['database']}.{row['table']}", row["parts"], row["rows"]) for row in found]

    async def described(self) -> list[Described]:
        """The tables of all domains."""
        found: dict[tuple[str, str], dict[str, str]] = {}
        for domain in dict.fromkeys(self._databases.values()):
            database = domain.projection_database
            for table, column, kind in (await self._reader.read(database, statement("read_columns"))).rows:
                found.setdefault((domain.name, table), {})[column] = kind
        return [Described(domain, name, columns) for (domain, name), columns in found.items()]

    async def _asked(self, domain: Domain, query: str, asked: Sql, edition: str = "") -> Result:
        with the_callers(domain):
            return await self._reader.read(edition or domain.projection_database, query, asked.bound())


@contextmanager
def the_callers(domain: Domain) -> Iterator[None]:
    """What the engine has against the statement is said to the caller, who wrote it; not that our tables are not made
    yet."""
    try:
        yield
    except (QueryFailed, NoTables) as error:
        if isinstance(error, NoTables) and f"Database {domain.projection_database} " in error.words:
            raise
        raise Invalid(error.words, rule="invalid-sql", field="sql") from error


def domain_of(asked: Sql, domains: Mapping[str, Domain]) -> Domain:
    """The domain whose tables need no database before their names. Raises Invalid when it is not clear."""
    if asked.domain is None and len(domains) == 1:
        return next(iter(domains.values()))
    if asked.domain is None or asked.domain not in domains:
        raise Invalid(f"domain must be one of {', '.join(domains)}", rule="unknown-domain", field="domain")
    return domains[asked.domain]


def _text(value: str | float) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
