"""Audits rollups: each materialized view's target against what its query makes of all events."""

import re
import time
from collections.abc import Iterator
from dataclasses import dataclass

from infra.audit.findings import Difference, Found, Hop, shown
from infra.audit.loaded import Warehouse
from infra.audit.sql import statement
from schemas import Domain

# Rows and their rollup do not change at one moment: what differs must go on to differ for so long.
_STEADY_SECONDS = 2.0
_PAUSE_SECONDS = 0.2
_MOST = 1_000
_TARGET = re.compile(r"\bTO\s+(?P<database>`[^`]+`|\w+)\.(?P<table>`[^`]+`|\w+)")

Row = tuple[str, ...]


@dataclass(frozen=True)
class Rollup:
    """One rollup: its table, its columns (`keys` are what rows are put together by), and the query that fills it."""

    table: str
    keys: tuple[str, ...]
    values: tuple[str, ...]
    said: str
    query: str


def rollups_of(warehouse: Warehouse, domain: Domain) -> Iterator[Rollup]:
    """The rollups of a domain's events."""
    for _, query, made in warehouse.ask(statement("views", database=domain.database)):
        target = _TARGET.search(made)
        if target is None:
            continue
        database, table = (target[part].strip("`") for part in ("database", "table"))
        columns = warehouse.ask(statement("columns", database=database, table=table))
        keys = tuple(name for name, _, key in columns if key)
        values = tuple(name for name, _, key in columns if not key)
        types = {name: kind for name, kind, _ in columns}
        said = ", ".join(_text(name, types[name]) for name in (*keys, *values))
        yield Rollup(f"{database}.{table}", keys, values, said, query)


def _text(name: str, kind: str) -> str:
    """A column as text, in its table's own type, since a query may give a wider one."""
    if kind.startswith("AggregateFunction("):
        return f"toString(finalizeAggregation({name})) AS text_of_{name}"
    plain = re.fullmatch(r"SimpleAggregateFunction\(\w+, (.*)\)", kind)
    return f"toString(CAST({name} AS {plain[1] if plain else kind})) AS text_of_{name}"


def audit_rollup(
    warehouse: Warehouse, domain: Domain, rollup: Rollup, upto: int, seconds: float, limit: int
) -> tuple[Hop, Found]:
    """Compare one rollup with the events, of which at least those up to a position are there."""
    began = time.monotonic()
    found = Found(domain.key, rollup.table, limit)
    differing = _differing(warehouse, rollup)
    before, steady = differing, time.monotonic()
    end = began + seconds + _STEADY_SECONDS
    while differing and time.monotonic() < min(steady + _STEADY_SECONDS, end):
        time.sleep(_PAUSE_SECONDS)
        now = _differing(warehouse, rollup)
        differing = {key: now[key] for key in differing.keys() & now.keys()}
        if any(before[key] != sides for key, sides in differing.items()):
            before, steady = differing, time.monotonic()
    moving = time.monotonic() - steady < _STEADY_SECONDS
    for key, sides in sorted(differing.items()) if not moving else ():
        _add(found, rollup, key, sides)
    [(count,)] = warehouse.ask(statement("rollup_count", table=rollup.table))
    hop = found.hop_of(upto=upto, count=count, distinct=count, seconds=time.monotonic() - began)
    if differing and moving:
        why = f"{len(differing)} groups change too fast to be compared; audit again when less is written"
        hop = Hop(rollup.table, upto, count, count, seconds=hop.seconds, unchecked=why)
    return hop, found


def _differing(warehouse: Warehouse, rollup: Rollup) -> dict[Row, dict[int, Row]]:
    """By the values of their keys, rows that differ: under 0 what the rollup has, under 1 what it should have."""
    query = statement("rollup", said=rollup.said, table=rollup.table, query=rollup.query, limit=_MOST)
    made: dict[Row, dict[int, Row]] = {}
    for side, *row in warehouse.ask(query):
        keys = len(rollup.keys)
        made.setdefault(tuple(row[:keys]), {})[side] = tuple(row[keys:])
    return made


def _add(found: Found, rollup: Rollup, key: Row, sides: dict[int, Row]) -> None:
    name = ", ".join(f"{column} {value}" for column, value in zip(rollup.keys, key, strict=True))
    said, are = sides.get(0), sides.get(1)
    if said is None:
        found.add("missing", "the rollup has no such row, the events make one", key=name)
    elif are is None:
        found.add("extra", "no event makes this row of the rollup", key=name)
    else:
        unlike = [
            Difference(column, shown(one), shown(other))
            for column, one, other in zip(rollup.values, are, said, strict=True)
            if one != other
        ]
        found.add("altered", "the rollup differs from what the events add up to", key=name, differences=unlike)
