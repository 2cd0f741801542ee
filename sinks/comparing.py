"""Compares the tables of two builds of a domain, row by row, while both are written to.

Digests by partition and range of keys are compared first, then the rows of the ranges that differ. A row carries the
position of the last event that changed it, so two rows that are equal with their positions are equal for good up to
there, and so is a row that equals a former version of the other one. A pair that differs may only be in flight: it is a
difference when it was read twice, unchanged, and between the readings both builds were complete up to a position that
the domain had reached after the first. Then both had these rows at that position.
"""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from msgspec import Struct

from schemas import Domain, Invalid, Unavailable
from sinks.clickhouse import ClickHouse
from sinks.sql import statement
from sinks.table import Table
from sinks.tables import tables_of

_ROWS_A_RANGE, _FEWEST_RANGES, _MOST_RANGES = 500, 64, 1 << 16
_RANGES_AT_ONCE = 200
_POLL_SECONDS = 0.1
MAX_DIFFERENCES = 1_000_000
PERSONAL = "(personal)"  # stands for the values of personal columns
ROW = "*"  # stands for the column where a whole row is missing
Values = tuple[str, ...]
Pair = tuple[Values | None, Values | None]
Place = tuple[int, int]  # partition and range of keys


class Difference(Struct, frozen=True):
    """A value that differs: None stands for no row; then `column` is `*`."""

    aggregate: str
    key: str
    column: str
    old: str | None
    new: str | None


@dataclass(frozen=True)
class Counted:
    """What was compared: rows of the live build, ranges that differed at first, pairs that were in flight."""

    rows: int
    ranges: int
    in_flight: int


class Comparison:
    """Compares `old` and `new`, two builds of one domain. `head` gives the domain's last position.

    `seconds` is how long it waits for either build to come up to a position, and for pairs in flight to settle. All
    methods block. Raises Unavailable when a build does not get on or ClickHouse does not answer.
    """

    def __init__(
        self, clickhouse: ClickHouse, old: Domain, new: Domain, head: Callable[[], int], seconds: float = 60.0
    ) -> None:
        self._clickhouse, self._old, self._new = clickhouse, old, new
        self._head, self._seconds = head, seconds
        self._ranges: dict[str, int] = {}
        known = {table.aggregate: table for table in tables_of(old)}
        self.tables = [table for table in tables_of(new) if table.aggregate in known]
        self._columns = {
            table.aggregate: (table.key, *(c for c in table.columns if c in known[table.aggregate].columns), "position")
            for table in self.tables
        }
        self.counted = Counted(0, 0, 0)

    def complete(self) -> int:
        """The position up to which both builds are loaded."""
        query = statement("compare_progress", database=self._new.database)
        done = {(topic, number): position for topic, number, position in self._clickhouse.execute(query)}
        topics = [build.aggregate_topic(a) for build in (self._old, self._new) for a in build.aggregates]
        return min(int(done.get((topic, n), 0)) for topic in topics for n in range(self._new.partitions))

    def catch_up(self, show: Callable[[int, int], None] = lambda *_: None) -> int:
        """Wait until both builds are complete up to where the domain is now; answers that position.

        `show` is told of the position that they have and the one that they need. The wait begins anew as long as they
        get on.
        """
        goal, reached, since = self._head(), -1, time.monotonic()
        while (found := self.complete()) < goal:
            if found > reached:
                reached, since = found, time.monotonic()
            if time.monotonic() - since > self._seconds:
                raise Unavailable(
                    f"the builds of {self._new.name} are loaded up to {found} of {goal} and do not get on: are the "
                    "worker and the sink running? (`headrace status`)",
                    retry_after=1,
                )
            show(found, goal)
            time.sleep(_POLL_SECONDS)
        show(found, goal)
        return goal

    def differences(self, show: Callable[[str], None] = lambda _: None) -> list[Difference]:
        """What differs, in the order of aggregates and keys. `show` gets a sentence for each step."""
        suspects: dict[str, dict[str, Pair]] = {}
        places: dict[str, set[Place]] = {}
        rows = ranges = 0
        for table in self.tables:
            count, places[table.aggregate] = self._differing(table)
            rows, ranges = rows + count, ranges + len(places[table.aggregate])
            suspects[table.aggregate] = self._unequal(table, places[table.aggregate])
            show(f"{table.aggregate}: {count:,} rows, {len(suspects[table.aggregate]):,} to look at again")
        self.counted = Counted(rows, ranges, 0)
        found = [self._settled(table, places[table.aggregate], suspects[table.aggregate]) for table in self.tables]
        return [difference for table in found for difference in table]

    def _settled(self, table: Table, places: set[Place], suspects: dict[str, Pair]) -> list[Difference]:
        """The differences among suspects: each pair is read again until it is or was equal, or was the same twice."""
        certain: dict[str, Pair] = {}
        until = time.monotonic() + self._seconds
        while suspects:
            self.catch_up()
            again = self._unequal(table, places)
            same = {key: pair for key, pair in suspects.items() if again.get(key) == pair}
            certain |= same
            moving = suspects.keys() - same.keys()
            self.counted = Counted(self.counted.rows, self.counted.ranges, self.counted.in_flight + len(moving))
            # One that is equal now was seen equal at one position; what has become unequal meanwhile is no suspect.
            suspects = {key: again[key] for key in moving if key in again}
            # A row that changes all the time is hardly ever read at one position in both builds.
            for key in self._met(table, places, suspects):
                del suspects[key]
            if suspects and time.monotonic() > until:
                raise Unavailable(
                    f"{len(suspects)} rows of {table.aggregate} change so fast that they were never seen at one "
                    f"position in both builds, as {next(iter(suspects))!r}: verify again when less is written",
                    retry_after=1,
                )
        names = self._columns[table.aggregate]
        return [each for key in sorted(certain) for each in _told(table, key, names, certain[key])]

    def _met(self, table: Table, places: set[Place], suspects: Mapping[str, Pair]) -> set[str]:
        """The keys of which the row that is behind was, as it is, the other build's, too."""
        behind: dict[Domain, dict[str, Values]] = {self._old: {}, self._new: {}}
        for key, (old, new) in suspects.items():
            if old is not None and new is not None:
                ahead, row = (self._old, new) if int(new[-1]) < int(old[-1]) else (self._new, old)
                behind[ahead][key] = row
        return {
            key
            for build, rows in behind.items()
            if rows
            for some in _some(places)
            for key, values in self._read("compare_versions", build, table, some)
            if rows.get(key) == values
        }

    def _differing(self, table: Table) -> tuple[int, set[Place]]:
        """How many rows the old table has, and the ranges whose digests differ."""
        [(stored,)] = self._clickhouse.execute(statement("compare_count", table=self._name(self._old, table)))
        self._ranges[table.aggregate] = min(max(stored // _ROWS_A_RANGE, _FEWEST_RANGES), _MOST_RANGES)
        old, new = (self._digests(build, table) for build in (self._old, self._new))
        differing = {place for place in old.keys() | new.keys() if old.get(place) != new.get(place)}
        return sum(count for count, _ in old.values()), differing

    def _digests(self, build: Domain, table: Table) -> dict[Place, tuple[int, int]]:
        query = statement("compare_ranges", columns=", ".join(self._columns[table.aggregate]), **self._of(build, table))
        return {(number, place): (count, digest) for number, place, count, digest in self._clickhouse.execute(query)}

    def _unequal(self, table: Table, places: Iterable[Place]) -> dict[str, Pair]:
        """The pairs of rows in these ranges that are not equal."""
        found: dict[str, Pair] = {}
        for some in _some(places):
            old, new = (dict(self._read("compare_rows", build, table, some)) for build in (self._old, self._new))
            pairs = ((key, (old.get(key), new.get(key))) for key in old.keys() | new.keys())
            found |= {key: pair for key, pair in pairs if pair[0] != pair[1]}
            if len(found) > MAX_DIFFERENCES:
                raise Invalid(
                    f"more than {MAX_DIFFERENCES:,} rows of {table.aggregate} differ: that is nothing to look at row "
                    "by row. Give the changed fold a new projection (docs/how-to/change-a-fold.md)",
                    rule="too-many-differences",
                )
        return found

    def _read(self, name: str, build: Domain, table: Table, places: Sequence[Place]) -> Iterator[tuple[str, Values]]:
        columns = ", ".join(f"ifNull(toString({name}), 'NULL')" for name in self._columns[table.aggregate])
        listed = ", ".join(f"({number}, {place})" for number, place in places)
        query = statement(name, columns=columns, places=listed, **self._of(build, table))
        return ((key, tuple(values)) for key, values in self._clickhouse.execute(query))

    def _of(self, build: Domain, table: Table) -> dict[str, object]:
        return {"table": self._name(build, table), "key": table.key, "ranges": self._ranges[table.aggregate]}

    @staticmethod
    def _name(build: Domain, table: Table) -> str:
        return f"{build.projection_database}.{table.aggregate}"


def _some(places: Iterable[Place]) -> Iterator[Sequence[Place]]:
    """The places, not too many at once."""
    listed = sorted(places)
    return (listed[start : start + _RANGES_AT_ONCE] for start in range(0, len(listed), _RANGES_AT_ONCE))


def _told(table: Table, key: str, names: Sequence[str], pair: Pair) -> list[Difference]:
    (old, new), aggregate = pair, table.aggregate
    if old is None or new is None:
        states = (None if row is None else "a row" for row in pair)
        return [Difference(aggregate, key, ROW, *states)]
    differing = [(name, was, is_) for name, was, is_ in zip(names, old, new, strict=True) if was != is_]
    # What is personal is in ClickHouse alone, where an erasure finds it: never in a file of differences.
    return [
        Difference(aggregate, key, name, *((PERSONAL, PERSONAL) if name in table.personal else (was, is_)))
        for name, was, is_ in differing
    ]
