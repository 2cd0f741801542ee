"""One batch into ClickHouse, as one block a table, under its token and before its deadline (rules 8 to 11)."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from schemas import reach
from sinks.bounds import Bounds
from sinks.clickhouse import ClickHouse
from sinks.targets import Inserts

# Longer than any insert takes, shorter than the window divided by the parts a second (rule 15).
PATIENCE = timedelta(seconds=20)
_SETTINGS = {
    "async_insert": 0,
    "max_insert_threads": 1,
    "insert_deduplicate": 1,
    "deduplicate_blocks_in_dependent_materialized_views": 1,
    "throw_on_max_partitions_per_insert_block": 1,
}


class Inserting:
    """Inserts batches over one connection; knows the types of the tables' columns."""

    def __init__(self, clickhouse: ClickHouse) -> None:
        self._clickhouse = clickhouse
        self._types: dict[str, dict[str, str]] = {}

    def deadline(self) -> datetime:
        """Until when a batch that is announced now may be inserted, by the server's clock."""
        return self._clickhouse.now() + PATIENCE

    def insert(self, partition: int, bounds: Bounds, inserts: Inserts, deadline: datetime) -> None:
        """Insert the batch; doing so again under the same bounds changes nothing.

        Raises Late past the deadline, Unavailable when it may be tried again with the same bounds, else Fatal.
        """
        for number, (table, names, columns) in enumerate(inserts.tables):
            settings = {**_SETTINGS, "insert_deduplication_token": f"{bounds.token(partition)}:{number}"}
            self._clickhouse.execute(self._statement(table, names, deadline), columns, settings)
            reach("load.inserted")

    def _statement(self, table: str, names: Sequence[str], deadline: datetime) -> str:
        types = self._types_of(table)
        listed = ", ".join(names)
        structure = ", ".join(f"{name} {types[name]}" for name in names).replace("\\", "\\\\").replace("'", "\\'")
        return (
            f"INSERT INTO {table} ({listed}) SELECT {listed} FROM input('{structure}') "
            f"WHERE throwIf(now64(3) > toDateTime64('{deadline:%Y-%m-%d %H:%M:%S.%f}', 3, 'UTC'), 'deadline') = 0 "
            "FORMAT Native"
        )

    def _types_of(self, table: str) -> dict[str, Any]:
        if table not in self._types:
            described = self._clickhouse.execute(f"DESCRIBE TABLE {table}")
            self._types[table] = {row[0]: row[1] for row in described}
        return self._types[table]
