"""How complete the tables are: written after the rows, read by every query that promises something."""

from collections.abc import Iterable
from typing import Any

from schemas import Control
from sinks.clickhouse import ClickHouse
from sinks.partition import Partition
from sinks.sql import statement
from sinks.targets import Target


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

    def begin(self, partition: Partition, at: Control) -> None:
        """Say that a new epoch has begun, so that what an earlier one said does not count any more (rule 20)."""
        partition.mark = at
        self.write([partition])

    def write(self, partitions: Iterable[Partition]) -> bool:
        """Write how far the partitions are, where that is farther than before. Answers whether anything was."""
        rows: list[tuple[Any, ...]] = []
        for partition in partitions:
            mark, epoch = partition.mark, partition.bounds.epoch
            if mark is None or (epoch, mark.position) <= self._written.get(partition.number, ("", -1)):
                continue
            self._written[partition.number] = (epoch, mark.position)
            rows.append((self._target.topic, epoch, partition.number, mark.position, mark.time, partition.next))
        if rows:
            columns = [list(column) for column in zip(*rows, strict=True)]
            self._clickhouse.execute(statement("write_progress", database=self._target.domain.database), columns)
        return bool(rows)
