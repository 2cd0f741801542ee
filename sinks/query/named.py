"""Named queries: `.sql` files of a domain, with typed parameters that their header documents.

The header is a run of `--` lines: the title, then a description, then for each parameter a line
`-- :name Type [= default]  what it is`. The statement uses ClickHouse's own placeholders
`{name:Type}`; values are bound by the server.
"""

import re
from collections.abc import Iterable
from importlib.resources import files
from typing import Any

from msgspec import UNSET, Struct, UnsetType

from schemas import Domain, Invalid
from sinks.query.paging import Ordered, ordered
from sinks.query.values import checked

_PARAMETER = re.compile(
    r":(?P<name>\w+)\s+(?P<type>[A-Z]\w*(?:\([^)]*\))?)(?:\s*=\s*(?P<default>\S+))?(?:\s\s+(?P<text>.*))?"
)
# All between FROM or JOIN and the next word that ends a list of tables.
_SOURCES = re.compile(
    r"\b(?:FROM|JOIN)\s+(?=\w)(.*?)(?=\bJOIN\b|\bON\b|\bUSING\b|\b(?:PRE)?WHERE\b|\bGROUP\b|\bORDER\b|\bLIMIT\b|[();]|\Z)",
    re.IGNORECASE | re.DOTALL,
)


# What every query takes.
_TAKEN = frozenset({"as_of", "consistency", "cursor", "max_staleness", "timeout", "token"})


class Parameter(Struct, frozen=True):
    """A parameter of a named query; without a default it must be given."""

    name: str
    type: str
    description: str
    default: str | UnsetType = UNSET


class NamedQuery(Struct, frozen=True):
    """A named query; `tables` are those that it reads."""

    name: str
    title: str
    description: str
    parameters: tuple[Parameter, ...]
    statement: str
    tables: tuple[str, ...]

    @property
    def ordered(self) -> Ordered | None:
        """Its statement as pages take it; None when it has no order by columns."""
        return ordered(self.statement)

    def bind(self, asked: Iterable[tuple[str, str]]) -> dict[str, Any]:
        """Values of all parameters. Raises Invalid, naming it, for an unknown, doubled, missing or ill-typed one."""
        values: dict[str, Any] = {}
        known = {parameter.name: parameter for parameter in self.parameters}
        for name, value in asked:
            if name not in known or name in values:
                listed = ", ".join(known) or "none"
                raise Invalid(
                    f"parameter {name!r} is unknown or given twice; there are {listed}",
                    rule="unknown-parameter",
                    field=name,
                )
            values[name] = value
        for parameter in self.parameters:
            if parameter.name not in values:
                if parameter.default is UNSET:
                    raise Invalid(
                        f"parameter {parameter.name} must be given: {parameter.description}",
                        rule="missing-parameter",
                        field=parameter.name,
                    )
                values[parameter.name] = parameter.default
            values[parameter.name] = checked(values[parameter.name], parameter.type, parameter.name)
        return values


def queries_of(domain: Domain) -> dict[str, NamedQuery]:
    """The named queries of a domain. Raises ValueError for a file whose header and placeholders differ."""
    folder = files(f"sinks.domains.{domain.module}").joinpath("queries")
    if not folder.is_dir():
        return {}
    found = {f.name.removesuffix(".sql"): f.read_text() for f in folder.iterdir() if f.name.endswith(".sql")}
    return {name: parse(name, text) for name, text in sorted(found.items())}


def parse(name: str, text: str) -> NamedQuery:
    """A named query from its file."""
    lines = text.splitlines()
    header = [line.removeprefix("--").strip() for line in lines if line.startswith("--")]
    statement = "\n".join(line for line in lines if not line.startswith("--")).strip().rstrip(";")
    matches = [match for line in header if (match := _PARAMETER.fullmatch(line))]
    parameters = tuple(
        Parameter(m["name"], m["type"], m["text"] or "", UNSET if m["default"] is None else m["default"])
        for m in matches
    )
    used = set(re.findall(r"\{(\w+):", statement))
    if used != {parameter.name for parameter in parameters}:
        raise ValueError(f"{name}.sql: the header documents other parameters than the statement has: {sorted(used)}")
    if taken := used & _TAKEN:
        raise ValueError(f"{name}.sql: {', '.join(sorted(taken))} must be called otherwise: every query takes that")
    prose = [line for line in header[1:] if not line.startswith(":")]
    return NamedQuery(name, header[0], " ".join(prose).strip(), parameters, statement, tables_in(statement))


def tables_in(statement: str) -> tuple[str, ...]:
    """Names of the tables that a statement reads, also those of a list `FROM a, b`."""
    sources = [part.split()[0] for found in _SOURCES.findall(statement) for part in found.split(",") if part.strip()]
    return tuple(sorted(set(sources)))
