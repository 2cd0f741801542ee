"""Editions of the past: databases that hold a domain's read models as of one position, kept as a cache.

An edition has the tables of its projection version, with the rows as of its position. One that was not finished has no
table `edition`, and is never read.
"""

import re
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from schemas import Domain, Fatal, Unavailable
from sinks.clickhouse import ClickHouse
from sinks.fitting import Misfit
from sinks.forming import Record
from sinks.opening import Opening
from sinks.sql import statement
from sinks.tables import databases_of
from sinks.targets import AggregateTarget, EventsTarget, Target, targets_of

_EVENTS = 1_000_000
_ROWS = 50_000
_POLL_SECONDS = 0.1
# Slices have rows in common in the rollups, which are no repetitions.
_SETTINGS = {"insert_deduplicate": 0}


class PastEditions:
    """The editions of all domains, over one connection. Methods raise Unavailable when ClickHouse is away."""

    def __init__(self, clickhouse: ClickHouse) -> None:
        self._clickhouse = clickhouse

    def find(self, stem: str) -> str | None:
        """The database of a whole edition whose name begins with the stem."""
        return next((name for name, whole in self._all(re.escape(stem)) if whole), None)

    def used(self, database: str) -> None:
        """Note that an edition is read now."""
        self._clickhouse.execute(statement("edition_used", database=database))

    def begin(self, domain: Domain, stem: str) -> str:
        """Make the tables of a new edition, empty; answers its database."""
        database = f"{stem}_{uuid.uuid4().hex[:8]}"
        self._clickhouse.execute(statement("edition_begin", database=database))
        databases_of(self._clickhouse, domain).make(database, database)
        return database

    def copy_events(self, domain: Domain, database: str, upto: int, done: Callable[[int], None]) -> None:
        """Copy the events up to a position, which makes the rollups. Raises Fatal when one of them is not there."""
        names = ", ".join(EventsTarget.columns)
        for after in range(0, upto, _EVENTS):
            fields = {"database": database, "events": domain.database, "names": names, "after": after}
            part = min(upto, after + _EVENTS)
            self._clickhouse.execute(statement("edition_events", upto=part, **fields), settings=_SETTINGS)
            done(part)
        query = statement("loaded_events", database=database, topic=domain.events_topic)
        [(events, different, _, _)] = self._clickhouse.execute(query)
        query = statement("loaded_events", database=domain.database, topic=domain.events_topic)
        [(_, _, _, quarantined)] = self._clickhouse.execute(query)
        if events != different or not events <= upto <= events + quarantined:
            raise Fatal(
                f"{domain.database}.events has {events} rows up to position {upto}, {different} different ones: one "
                "is missing or doubled (`headrace audit` names it), so its past cannot be told",
                rule="history-differs",
            )

    def await_events(self, domain: Domain, upto: int, seconds: float, given_up: Callable[[], bool]) -> None:
        """Wait until the events are loaded up to a position. Raises Unavailable when they are not in time, or when
        this is given up.
        """
        deadline = time.monotonic() + seconds
        query = statement("loaded_positions", database=domain.database, topic=domain.events_topic)
        while True:
            reached = dict(self._clickhouse.execute(query))
            least = min((reached.get(number, 0) for number in range(domain.partitions)), default=0)
            if least >= upto:
                return
            if given_up() or time.monotonic() > deadline:
                raise Unavailable(
                    f"position {upto} is not in {domain.events_topic} yet: it is loaded up to {least}",
                    rule="not-yet-visible",
                    retry_after=1,
                )
            time.sleep(_POLL_SECONDS)

    def finish(self, database: str) -> None:
        """Say that an edition is whole. Raises Fatal when it was dropped meanwhile."""
        self._clickhouse.execute(statement("edition_done", database=database))
        self.used(database)

    def unfinished(self, domain: Domain) -> list[str]:
        """The databases of editions that are being made, or never will be finished."""
        return [name for name, whole in self._all(_any_of(domain)) if not whole]

    def drop_oldest(self, domain: Domain, keep: int) -> None:
        """Drop the editions of a domain that were not read for the longest time, but for so many."""
        whole = [name for name, whole in self._all(_any_of(domain)) if whole]
        read = {name: self._clickhouse.execute(statement("edition_last", database=name))[0][0] for name in whole}
        for name in sorted(whole, key=read.__getitem__)[: max(0, len(whole) - keep)]:
            self.drop(name)

    def drop(self, database: str) -> None:
        """Drop an edition, with its files."""
        self._clickhouse.execute(statement("drop_database", database=database))

    def _all(self, pattern: str) -> list[tuple[str, int]]:
        # What is in the statement is in a literal, where a backslash is written twice.
        pattern = f"{pattern}_[0-9a-f]{{8}}".replace("\\", "\\\\")
        return list(self._clickhouse.execute(statement("editions", pattern=pattern)))


class EditionRows:
    """Writes the rows of one folded partition into an edition. `opening` opens the values of personal columns."""

    def __init__(self, clickhouse: ClickHouse, domain: Domain, database: str, opening: Opening) -> None:
        self._clickhouse = clickhouse
        self._types: dict[str, dict[str, str]] = {}
        self._targets = {
            target.table.rpartition(".")[2]: in_edition(target, database)
            for target in targets_of(domain.in_build(domain.build), opening)
            if isinstance(target, AggregateTarget)
        }

    def write(self, partition: int, aggregate: str, rows: Mapping[bytes, bytes]) -> int:
        """Write the rows of an aggregate; answers how many. What fits no column is in the edition's quarantine."""
        records = [Record(number, key, value) for number, (key, value) in enumerate(rows.items())]
        for start in range(0, len(records), _ROWS):
            self._insert(self._targets[aggregate], partition, records[start : start + _ROWS])
        return len(records)

    def _insert(self, target: Target, partition: int, records: Sequence[Record]) -> None:
        inserts = target.inserts(partition, records, self._types_of)
        with target.held():  # an erasure waits until they are in the table
            for each in inserts.each:
                query = statement("insert_rows", table=each.table, names=", ".join(each.names))
                self._clickhouse.execute(query, each.columns, _SETTINGS)

    def _types_of(self, table: str) -> Mapping[str, str]:
        if table not in self._types:
            described = self._clickhouse.execute(f"DESCRIBE TABLE {table}")
            self._types[table] = {row[0]: row[1] for row in described}
        return self._types[table]


def in_edition(target: Target, database: str) -> Target:
    """The target with its tables in an edition."""
    target.database = database
    target.table = f"{database}.{target.table.rpartition('.')[2]}"
    return target


def stem_of(domain: Domain, position: int, fingerprint: str) -> str:
    """How the names of editions begin that are as of a position and made by code of this fingerprint."""
    return f"{domain.projection_database}_asof_{position}_{fingerprint}"


def _any_of(domain: Domain) -> str:
    return rf"{re.escape(domain.database)}_v[0-9]+(b[0-9]+)?_asof_[0-9]+_[0-9a-f]+"


def loaded_row(domain: Domain, opening: Opening, aggregate: str, key: str, value: bytes) -> dict[str, Any]:
    """The values that the columns of an aggregate's table get from a row, personal ones opened. Raises Misfit."""
    targets = (t for t in targets_of(domain.in_build(domain.build), opening) if isinstance(t, AggregateTarget))
    target = next(t for t in targets if t.table.rpartition(".")[2] == aggregate)
    as_they_are = dict.fromkeys(target.columns, "")
    inserts = target.inserts(0, [Record(0, key.encode(), value)], lambda _: as_they_are)
    with target.held():
        [made] = inserts.each
    if made.table != target.table:
        raise Misfit(f"the row {key!r} of {aggregate} fits no column: {made.column('error')[0].decode()}")
    return {name: column[0] for name, column in zip(made.names, made.columns, strict=True)}
