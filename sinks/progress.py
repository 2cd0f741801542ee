"""How complete the tables are: written after the rows, read by every query that promises something."""

from collections.abc import Iterable
from dataclasses import dataclass

from schemas import Control
from sinks.clickhouse import ClickHouse
from sinks.sql import statement
from sinks.targets import Target


@dataclass(frozen=True)
class Reached:
    """A partition is loaded up to the offset `next` (exclusive), and all of it up to the position of `mark`."""

    partition: int
    epoch: str
    next: int
    mark: Control


class Progress:
    """Writes and reads the progress of one topic."""

    def __init__(self, clickhouse: ClickHouse, target: Target) -> None:
        self._clickhouse, self._target = clickhouse, target
        self._written: dict[int, tuple[str, int]] = {}

    def highest_offset(self, partition: int) -> int | None:
        """The highest offset of the partition that any of the topic's tables has a row of."""
        found = []
        for table, also in self._target.tables.items():
            query = statement("highest_offset", table=table, partition=partition, also=also)
            found += [row[0] for row in self._clickhouse.execute(query) if row[0] is not None]
        return max(found, default=None)

    def write(self, found: Iterable[Reached]) -> bool:
        """Write how far partitions are, where that is farther than before. Answers whether anything was.

        A new epoch always is farther: what an earlier one said does not count any more (rule 20).
        """
        rows = []
        for each in found:
            if (each.epoch, each.mark.position) > self._written.get(each.partition, ("", -1)):
                self._written[each.partition] = (each.epoch, each.mark.position)
                place = (self._target.topic, each.epoch, each.partition)
                rows.append((*place, each.mark.position, each.mark.time, each.next))
        if rows:
            columns = [list(column) for column in zip(*rows, strict=True)]
            self._clickhouse.execute(statement("write_progress", database=self._target.database), columns)
        return bool(rows)
