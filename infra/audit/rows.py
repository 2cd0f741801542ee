"""Audits the tables of aggregates: the last rows of each one's topic against ClickHouse."""

import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import islice
from typing import Any
from zlib import crc32

from infra.audit.changelog import Changelog, read
from infra.audit.digests import MODULUS
from infra.audit.findings import Difference, Found, Hop, shown
from infra.audit.loaded import Warehouse
from infra.audit.records import Records
from infra.audit.sql import statement
from infra.audit.texts import RowTexts
from sinks.fitting import fitted
from sinks.forming import Record
from sinks.targets import AggregateTarget

# Of a partition of the topic, an offset, and the position up to which all before it is whole.
Place = tuple[int, int]
_GROUPS = 1024
_SLICE = 10_000


class RowsAudit:
    """Audits one aggregate's table. `starts` are places in its topic: only what changed since then is compared."""

    def __init__(self, kafka: str, warehouse: Warehouse, target: AggregateTarget, starts: Mapping[int, Place]) -> None:
        self._kafka, self._warehouse, self._target, self._starts = kafka, warehouse, target, starts
        self._types: dict[str, dict[str, str]] = {}
        # What is personal is sealed in the topic, opened in the table: to compare it takes keys, and findings tell it.
        self._columns = [name for name in target.columns if name not in target.personal]
        self._texts = RowTexts(self._types_of(target.table), self._columns)
        self._left_out = [*self._texts.left_out, *(f"{name} (personal)" for name in target.personal)]
        self.resume: dict[int, Place] = {}

    def run(self, upto: int, seconds: float, limit: int, done: Callable[[int, int], None]) -> tuple[Hop, Found]:
        """Compare all partitions, once they reach a position or get no further for so many seconds."""
        target, began = self._target, time.monotonic()
        found, lags, count, reached = Found(target.domain.key, target.table, limit), [], 0, upto
        with Records(self._kafka, target.topic, target.domain.partitions) as records:
            for number, (first, end) in records.bounds().items():
                start, position = self._starts.get(number, (first, 0))
                changelog = Changelog(number, upto, cut=start - 1, position=position)
                read(records, changelog, (max(start, first), end), seconds)
                self.resume[number] = (changelog.cut + 1, changelog.position)
                if changelog.position < upto:
                    lags.append(f"partition {number} is folded up to {changelog.position:,}")
                loaded = self._wait(changelog, seconds)
                reached = min(reached, changelog.position, loaded)
                if loaded < changelog.position:
                    lags.append(f"partition {number} is loaded up to {loaded:,}")
                else:
                    count += self._compare(records, changelog, start, found)
                done(number + 1, records.partitions)
        note = f"not compared: {', '.join(self._left_out)}" if self._left_out else ""
        seconds, lag = time.monotonic() - began, "; ".join(lags)
        hop = found.hop_of(upto=reached, count=count, distinct=count, seconds=seconds, note=note, lag=lag)
        return hop, found

    def _types_of(self, table: str) -> dict[str, str]:
        if table not in self._types:
            self._types[table] = {row[0]: row[1] for row in self._warehouse.ask(f"DESCRIBE TABLE {table}")}
        return self._types[table]

    def _wait(self, changelog: Changelog, seconds: float) -> int:
        target = self._target
        wanted = {changelog.number: changelog.position}
        return self._warehouse.reached(target.domain.database, target.topic, wanted, seconds)

    def _compare(self, records: Records, changelog: Changelog, start: int, found: Found) -> int:
        expected = self._digests(changelog, ((k, v, o) for k, (o, v) in changelog.rows.items()), found)
        items = self._items(changelog.number, start)
        sums: dict[int, list[int]] = defaultdict(lambda: [0, 0])
        for key, (_, digest) in expected.items():
            total = sums[crc32(key) % _GROUPS]
            total[0] += 1
            total[1] += digest
        there = {g: [c, d] for g, c, d in self._warehouse.ask(statement("row_digests", groups=_GROUPS, items=items))}
        differing = [
            group
            for group in sums.keys() | there.keys()
            if sums.get(group, [0, 0])[0] != there.get(group, [0, 0])[0]
            or (sums.get(group, [0, 0])[1] - there.get(group, [0, 0])[1]) % MODULUS
        ]
        if differing:
            self._look(records, changelog, expected, items, differing, found)
        return sum(total[0] for total in there.values())

    def _items(self, number: int, start: int) -> str:
        target = self._target
        fields = {"key": target.columns[0], "text": self._texts.sql, "table": target.table}
        return statement("row_items", partition=number, first=start, **fields)

    def _digests(
        self, changelog: Changelog, rows: Iterable[tuple[bytes, bytes | None, int]], found: Found
    ) -> dict[bytes, tuple[int, int]]:
        """Offset and digest of each row that has a value; those that fit no column are findings."""
        made: dict[bytes, tuple[int, int]] = {}
        left = iter(sorted(((o, k, v) for k, v, o in rows if v is not None)))
        while batch := [Record(o, k, v) for o, k, v in islice(left, _SLICE)]:
            keys = {record.offset: record.key or b"" for record in batch}
            for each in self._target.inserts(changelog.number, batch, self._types_of).each:
                if each.table == self._target.table:
                    offsets = each.column("kafka_offset")
                    digests = self._texts.digests(each.names, each.columns)
                    made.update({keys[o]: (o, digest) for o, digest in zip(offsets, digests, strict=True)})
                else:
                    for offset, why in zip(each.column("kafka_offset"), each.column("error"), strict=True):
                        what = f"the row at offset {offset} fits no column and is in quarantine: {why.decode()}"
                        found.add("quarantined", what, key=_text(keys[offset]), place=(changelog.number, offset))
        return made

    def _look(
        self,
        records: Records,
        changelog: Changelog,
        expected: dict[bytes, tuple[int, int]],
        items: str,
        groups: list[int],
        found: Found,
    ) -> None:
        wanted = ", ".join(map(str, groups))
        rows = self._warehouse.ask(statement("row_groups", groups=_GROUPS, items=items, wanted=wanted))
        there = {_bytes(key): (offset, digest) for key, offset, digest in rows}
        moved = {key or b"" for key, _, _ in changelog.later}
        ahead = {key: at for key, at in there.items() if at[0] > changelog.cut}
        for key, (offset, digest) in expected.items():
            if crc32(key) % _GROUPS not in set(groups) or key in ahead or there.get(key) == (offset, digest):
                continue
            if key not in there:
                if key not in moved:
                    what = f"the row of offset {offset} is not in the table"
                    found.add("missing", what, key=_text(key), place=(changelog.number, offset))
            else:
                self._altered(changelog, key, offset, there[key][0], found)
        for key, (offset, _) in there.items():
            if key not in expected and key not in ahead and key not in moved:
                what = f"the topic has no such row; the table says offset {offset}"
                found.add("extra", what, key=_text(key), place=(changelog.number, offset))
        if ahead:
            self._look_ahead(records, changelog, ahead, found)

    def _look_ahead(
        self, records: Records, changelog: Changelog, ahead: dict[bytes, tuple[int, int]], found: Found
    ) -> None:
        """Rows that changed while the audit ran are compared with the very record that they were loaded from."""
        number = changelog.number
        versions = {(k or b"", o): v for k, v, o in changelog.later}
        for _, run in records.whole({number: changelog.cut + 1}):
            versions.update({(key or b"", offset): value for key, value, offset in run})
        rows = [(key, versions.get((key, offset)), offset) for key, (offset, _) in ahead.items()]
        expected = self._digests(changelog, rows, found)
        for key, (offset, digest) in ahead.items():
            if expected.get(key) != (offset, digest):
                changelog.rows[key] = (offset, versions.get((key, offset)))
                self._altered(changelog, key, offset, offset, found)

    def _altered(self, changelog: Changelog, key: bytes, offset: int, there: int, found: Found) -> None:
        value = changelog.rows[key][1]
        fields = {"table": self._target.table, "columns": ", ".join(self._columns)}
        query = statement("row_columns", partition=changelog.number, offset=there, **fields)
        row = next(iter(self._warehouse.ask(query)), None)
        unlike: tuple[Difference, ...] = ()
        if value is not None and row is not None:
            expected, _ = self._target.rows(changelog.number, [Record(offset, key, value)])
            named = dict(zip(self._target.columns, expected, strict=True))
            unlike = self._unlike([named[name][0] for name in self._columns], row)
        what, place = f"the row differs from the topic's at offset {offset}", (changelog.number, offset)
        found.add("altered", what, key=_text(key), differences=unlike, place=place)

    def _unlike(self, one: Sequence[Any], other: Sequence[Any]) -> tuple[Difference, ...]:
        """The columns in which two rows differ, compared as the loader would send them."""
        types, names = self._types_of(self._target.table), self._columns
        sent = [fitted({name: types[name] for name in names}, [[value] for value in row]) for row in (one, other)]
        return tuple(
            Difference(name, shown(one[at]), shown(other[at]))
            for at, (name, expected, there) in enumerate(zip(names, *sent, strict=True))
            if expected != there
        )


def _bytes(value: str | bytes) -> bytes:
    return value.encode() if isinstance(value, str) else value


def _text(key: bytes) -> str:
    return key.decode(errors="replace")
