"""Where a topic's records go: the table, its columns, and how a run of records becomes them."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from datetime import datetime
from typing import Any

import msgspec

from schemas import (
    CONTROL_KEYS,
    WATERMARK_KEY,
    Aggregate,
    Control,
    Domain,
    current_decoder,
    row_decoder,
)
from sinks.fitting import Column
from sinks.forming import Forming, Inserts, Record, Types
from sinks.opening import Opener, Opening
from sinks.table import Table
from sinks.tables import ENGINE_COLUMNS, OPENED, tables_of


class _Envelope(msgspec.Struct, frozen=True, gc=False):
    """Of an event's envelope what has a column; `data` are its very bytes."""

    position: int
    id: str
    type: str
    subject: str
    sequence: int
    partitionkey: str
    time: datetime
    correlationid: str
    hash: str
    data: msgspec.Raw
    causationid: str = ""


_envelope = msgspec.json.Decoder(_Envelope).decode


class Target(ABC):
    """One topic's way into ClickHouse. `identity` is the column in which the table's rows differ; `database` has the
    progress and the quarantine, `group` is the consumer group."""

    columns: Sequence[str]
    removed_columns: Sequence[str] = ()
    identity = "kafka_offset"

    def __init__(self, domain: Domain, topic: str, table: str) -> None:
        self.domain, self.topic, self.table = domain, topic, table
        self.database, self.group = domain.database, domain.sink_group(topic)

    @property
    def quarantine(self) -> str:
        """The table of records that fit no other."""
        return f"{self.database}.quarantine"

    @property
    def tables(self) -> dict[str, str]:
        """All tables that rows of this topic may be in, and what marks those of this topic."""
        return {self.table: "true", self.quarantine: f"topic = '{self.topic}'"}

    def identity_of(self, table: str) -> str:
        return self.identity if table == self.table else Target.identity

    def inserts(self, partition: int, records: Sequence[Record], types: Types) -> Inserts:
        """The columns of a run of one partition's records. What is no valid record, or fits no column, is quarantined.

        The same records always give the same inserts, since a batch is formed again after a crash.
        """
        forming = Forming(self.topic, partition, self.table, self.quarantine, types)
        plain = [record for record in records if record.value is not None and record.key not in CONTROL_KEYS]
        forming.form(plain, self.columns, self.rows)
        if len(plain) < len(records):
            forming.form([r for r in records if r.value is None], self.removed_columns, self.removed)
            forming.control([r for r in records if r.key == WATERMARK_KEY and r.value is not None])
        return forming.inserts()

    def held(self) -> ExitStack:
        """To be closed when the inserts made since the last call are in the tables, or never will be."""
        return ExitStack()

    @abstractmethod
    def rows(self, partition: int, records: Sequence[Record]) -> tuple[list[Column], Control | None]:
        """The columns of records that have values, the offset's last, and how far the last one says the partition is.

        Raises any error when one of them is not valid.
        """

    def removed(self, _partition: int, _records: Sequence[Record]) -> tuple[list[Column], None]:
        """Columns that remove rows, the offset's last. Raises ValueError where rows cannot be removed."""
        raise ValueError("a record without a value does not belong here")


class EventsTarget(Target):
    """Events, each once: `data` in today's shape, `stored` the very bytes where these are of an older one."""

    columns = (
        *("position", "id", "type", "stream", "version", "partition_key", "event_time", "time"),
        *("correlation_id", "causation_id", "hash", "data", "stored", "kafka_partition", "kafka_offset"),
    )

    def __init__(self, domain: Domain) -> None:
        super().__init__(domain, domain.events_topic, f"{domain.database}.events")
        self._current, self._event_time = current_decoder(domain), domain.event_time

    @classmethod
    def anew(cls, domain: Domain) -> "EventsTarget":
        """The way into tables beside the live ones, by a group of its own."""
        target = cls(domain)
        target.database, target.group = domain.reload_database, domain.reload_group(target.topic)
        target.table = f"{target.database}.events"
        return target

    def rows(self, partition: int, records: Sequence[Record]) -> tuple[list[Column], Control | None]:
        found = [_envelope(record.value or b"") for record in records]
        kept = [bytes(each.data) for each in found]
        kinds, happened, data = [], [], []
        current, event_time = self._current, self._event_time
        for each in kept:
            event, today = current(each)
            kinds.append(type(event).__name__)
            happened.append(event_time(event))
            data.append(today)
        last = found[-1]
        columns: list[Column] = [
            [each.position for each in found],
            [each.id for each in found],
            kinds,
            [each.subject for each in found],
            [each.sequence for each in found],
            [each.partitionkey for each in found],
            happened,
            [each.time for each in found],
            [each.correlationid for each in found],
            [each.causationid for each in found],
            [each.hash for each in found],
            data,
            [b"" if today is each else each for today, each in zip(data, kept, strict=True)],
            [partition] * len(found),
            [record.offset for record in records],
        ]
        return columns, Control(position=last.position, time=last.time)


class AggregateTarget(Target):
    """Rows of one aggregate. A key stays in its partition, so its version with the highest offset counts."""

    def __init__(self, domain: Domain, aggregate: Aggregate, table: Table) -> None:
        name = f"{domain.projection_database}.{aggregate.name}"
        super().__init__(domain, domain.aggregate_topic(aggregate), name)
        self._decode = row_decoder(aggregate).decode
        self._getters: tuple[Callable[[Any], Any], ...] = tuple(table.columns.values())
        self.columns = (table.key, *table.columns, *ENGINE_COLUMNS)
        self.removed_columns = (table.key, *ENGINE_COLUMNS)
        self.identity = table.key
        self.personal = table.personal

    def rows(self, partition: int, records: Sequence[Record]) -> tuple[list[Column], Control | None]:
        found = [self._decode(record.value or b"") for record in records]
        data = [row.data for row in found]
        columns: list[Column] = [
            [_text(record.key) for record in records],
            *([get(each) for each in data] for get in self._getters),
            [row.position for row in found],
            [row.epoch for row in found],
            *self._engine(partition, records, 0),
        ]
        return columns, None

    def removed(self, partition: int, records: Sequence[Record]) -> tuple[list[Column], None]:
        none = [0] * len(records)
        return [[_text(record.key) for record in records], none, none, *self._engine(partition, records, 1)], None

    @staticmethod
    def _engine(partition: int, records: Sequence[Record], is_deleted: int) -> list[Column]:
        count = len(records)
        return [[is_deleted] * count, [partition] * count, [record.offset for record in records]]


def _text(key: bytes | None) -> str:
    if key is None:
        raise ValueError("a record without a key")
    return key.decode()


class OpenedTarget(AggregateTarget):
    """Rows of an aggregate whose table has personal columns: their sealed values are opened on the way into them."""

    def __init__(self, domain: Domain, aggregate: Aggregate, table: Table, opening: Opening) -> None:
        super().__init__(domain, aggregate, table)
        names = list(self.columns)
        self._opener = Opener(opening, {name: names.index(name) for name in table.personal})
        self.columns = (table.key, *table.columns, OPENED, *ENGINE_COLUMNS)

    def inserts(self, partition: int, records: Sequence[Record], types: Types) -> Inserts:
        self._opener.read(record.value for record in records)
        return super().inserts(partition, records, types)

    def held(self) -> ExitStack:
        return self._opener.held()

    def rows(self, partition: int, records: Sequence[Record]) -> tuple[list[Column], Control | None]:
        columns, mark = super().rows(partition, records)
        columns.insert(len(columns) - len(ENGINE_COLUMNS), self._opener.open(columns))
        return columns, mark


def targets_of(domain: Domain, opening: Opening | None = None) -> list[Target]:
    """The ways of all topics of a domain into ClickHouse, in all its projection versions.

    `opening` opens the values of personal columns; without it they are loaded sealed. Raises KeyError for an aggregate
    without a table.
    """
    targets: list[Target] = [EventsTarget(domain)]
    for version in domain.projections:
        tables = {table.aggregate: table for table in tables_of(version)}
        for aggregate in version.aggregates:
            table = tables[aggregate.name]
            if table.personal and opening is not None:
                targets.append(OpenedTarget(version, aggregate, table, opening))
            else:
                targets.append(AggregateTarget(version, aggregate, table))
    return targets
