"""One batch into ClickHouse, as one block a table, under its token and before its deadline (rules 8 to 11)."""

import time
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from schemas import Fatal, reach
from sinks.bounds import Bounds
from sinks.clickhouse import ClickHouse
from sinks.forming import Inserts
from sinks.sql import statement
from sinks.tables import WINDOW
from sinks.targets import Target

# Longer than any insert takes, shorter than the window divided by the parts a second (rule 15).
PATIENCE = timedelta(seconds=20)
_CLOCK_SECONDS = 30.0
_SETTINGS = {
    "async_insert": 0,
    "max_insert_threads": 1,
    "insert_deduplicate": 1,
    "deduplicate_blocks_in_dependent_materialized_views": 1,
    "throw_on_max_partitions_per_insert_block": 1,
}


class Inserting:
    """Inserts a target's batches over one connection. Raises Unavailable when the server is away."""

    def __init__(self, clickhouse: ClickHouse, target: Target) -> None:
        self._clickhouse, self._target = clickhouse, target
        self._types: dict[str, dict[str, str]] = {}
        self._read_clock()

    def _read_clock(self) -> None:
        self._clock, self._read_at = self._clickhouse.now(), time.monotonic()

    def deadline(self) -> datetime:
        """Until when a batch that is announced now may be inserted, by the server's clock.

        The clock is read now and then, and a monotonic clock added; read before the answer came, it is never ahead.
        """
        if time.monotonic() - self._read_at > _CLOCK_SECONDS:
            self._read_clock()
        return self._clock + timedelta(seconds=time.monotonic() - self._read_at) + PATIENCE

    def known(self, table: str) -> Mapping[str, str] | None:
        """What `types` answers without asking, if it can."""
        return self._types.get(table)

    def types(self, table: str) -> Mapping[str, str]:
        """ClickHouse types of a table's columns, asked once."""
        if table not in self._types:
            described = self._clickhouse.execute(f"DESCRIBE TABLE {table}")
            self._types[table] = {row[0]: row[1] for row in described}
        return self._types[table]

    def insert(self, partition: int, bounds: Bounds, inserts: Inserts, deadline: datetime) -> None:
        """Insert the batch; doing so again under the same bounds changes nothing.

        Raises Late past the deadline, Unavailable when it may be tried again with the same bounds, else Fatal.
        """
        for number, each in enumerate(inserts.each):
            settings = {**_SETTINGS, "insert_deduplication_token": f"{bounds.token(partition)}:{number}"}
            self._clickhouse.execute(self._statement(each.table, each.names, deadline), each.columns, settings)
            reach("load.inserted")

    def _statement(self, table: str, names: Sequence[str], deadline: datetime) -> str:
        types = self.types(table)
        listed = ", ".join(names)
        structure = ", ".join(f"{name} {types[name]}" for name in names).replace("\\", "\\\\").replace("'", "\\'")
        fields = {"table": table, "names": listed, "structure": structure}
        return statement("insert", deadline=f"{deadline:%Y-%m-%d %H:%M:%S.%f}", **fields)

    def recover(self, partition: int, bounds: Bounds, inserts: Inserts, deadline: datetime) -> None:
        """Insert a batch that was announced before, perhaps by another sink, and look that it is there, each row once.

        The same token changes nothing when it was in already. Rows of a batch whose token the table may have
        forgotten, since it got more parts than its window since then, are never inserted again (rule 16): they would be
        doubled in the rollups. Raises Fatal then, or when a killed server lost or doubled rows; else as `insert`.
        """
        for table in {each.table for each in inserts.each}:
            since = self._parts_since(table, partition, bounds)
            if since is not None and since >= WINDOW:
                raise Fatal(
                    f"{table} has rows of offsets {bounds.start} to {bounds.to} of {self._target.topic}[{partition}], "
                    f"and got {since} parts since then, more than the {WINDOW} whose tokens it remembers. Whether the "
                    f"rollups have these rows cannot be told: {self._mend}"
                )
        self.insert(partition, bounds, inserts, deadline)
        self.verify(partition, bounds, inserts)

    def _parts_since(self, table: str, partition: int, bounds: Bounds) -> int | None:
        """How many parts the table got at most since the first of the batch's rows; None when it has none of them."""
        database, _, unqualified = table.partition(".")
        fields = {"start": bounds.start, "to": bounds.to, "partition": partition, "also": self._target.tables[table]}
        query = statement("parts_since", table=table, database=database, unqualified=unqualified, **fields)
        [(since,)] = self._clickhouse.execute(query)
        return None if since is None else int(since)

    @property
    def _mend(self) -> str:
        return f"load the tables anew with `headrace reload {self._target.domain.name}`"

    def verify(self, partition: int, bounds: Bounds, inserts: Inserts) -> None:
        """Look that a batch that was inserted again is in the tables, each row once (rules 16 and 17).

        A server that was killed in the middle of an insert can have kept the token and lost the rows; one that has
        got more parts than its window since then has forgotten the token. Raises Fatal in both cases.
        """
        for table, also in self._target.tables.items():
            identity = self._target.identity_of(table)
            found = [value for each in inserts.each if each.table == table for value in each.column(identity)]
            expected = len(set(found))
            fields = {"start": bounds.start, "to": bounds.to, "partition": partition}
            query = statement("held", table=table, also=also, identity=identity, **fields)
            [(rows, different)] = self._clickhouse.execute(query)
            # Several versions of a key may or may not be merged yet; what is told apart by its offset stands once.
            doubled = identity == Target.identity and rows > expected
            if different != expected or doubled:
                raise Fatal(
                    f"{table} has {rows} rows of offsets {bounds.start} to {bounds.to} of {self._target.topic}"
                    f"[{partition}], where {expected} were announced: ClickHouse lost or doubled a batch when it was "
                    f"killed: {self._mend}"
                )
