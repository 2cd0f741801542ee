"""How complete the tables are: written after the rows, read by every query that promises something."""

from collections.abc import Iterable
from importlib.resources import files
from string import Template
from typing import Any

from sinks.clickhouse import ClickHouse
from sinks.partition import Partition
from sinks.targets import Target

_COLUMNS = "(topic, epoch, kafka_partition, position, time, kafka_offset)"


class Progress:
    """Writes and reads the progress of one topic."""

    def __init__(self, clickhouse: ClickHouse, target: Target) -> None:
        self._clickhouse, self._target = clickhouse, target
        self._written: dict[int, int] = {}
        self._highest = Template(files("sinks").joinpath("sql/highest_offset.sql").read_text())

    def highest_offset(self, partition: int) -> int | None:
        """The highest offset of the partition that any of the topic's tables has a row of."""
        found = []
        for table in self._target.tables:
            query = self._highest.substitute(table=table, partition=partition)
            if table == self._target.quarantine:
                query += f" AND topic = '{self._target.topic}'"
            found += [row[0] for row in self._clickhouse.execute(query) if row[0] is not None]
        return max(found, default=None)

    def write(self, partitions: Iterable[Partition]) -> bool:
        """Write how far the partitions are, where that is farther than before. Answers whether anything was."""
        rows: list[tuple[Any, ...]] = []
        for partition in partitions:
            mark = partition.mark
            if mark is None or mark.position <= self._written.get(partition.number, -1):
                continue
            self._written[partition.number] = mark.position
            start = (self._target.topic, partition.bounds.epoch, partition.number)
            rows.append((*start, mark.position, mark.time, partition.next))
        if rows:
            columns = [list(column) for column in zip(*rows, strict=True)]
            table = f"{self._target.domain.database}.progress"
            self._clickhouse.execute(f"INSERT INTO {table} {_COLUMNS} VALUES", columns)
        return bool(rows)
