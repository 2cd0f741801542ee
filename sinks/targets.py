"""Where a topic's records go: the table, its columns, and how a run of records becomes them."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import msgspec

from schemas import WATERMARK_KEY, Aggregate, Control, Domain, current_decoder, row_decoder
from sinks.fitting import fitted
from sinks.table import Table
from sinks.tables import ENGINE_COLUMNS, tables_of

_QUARANTINE = ("topic", "kafka_partition", "kafka_offset", "key", "value", "error")
# ClickHouse types of a table's columns, by the table's name.
Types = Callable[[str], Mapping[str, str]]


class Record(msgspec.Struct, frozen=True, gc=False):
    """A record as the loader keeps it."""

    offset: int
    key: bytes | None
    value: bytes | None


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
_control = msgspec.json.Decoder(Control).decode


@dataclass(frozen=True)
class Insert:
    """Columns for one table."""

    table: str
    names: Sequence[str]
    columns: list[list[Any]]

    def column(self, name: str) -> list[Any]:
        return self.columns[self.names.index(name)]


@dataclass
class Inserts:
    """What a run of records becomes, and how far it reaches.

    `mark` is the last control record or event of the run: all of the partition up to its position is in the run.
    """

    each: list[Insert] = field(default_factory=list)
    mark: Control | None = None


class Target(ABC):
    """One topic's way into ClickHouse. `identity` is the column in which the table's rows differ."""

    columns: Sequence[str]
    removed_columns: Sequence[str] = ()
    identity = "kafka_offset"

    def __init__(self, domain: Domain, topic: str, table: str) -> None:
        self.domain, self.topic, self.table = domain, topic, table
        self.quarantine = f"{domain.database}.quarantine"

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
        result = Inserts()
        rows: list[tuple[Any, ...]] = []
        removed: list[tuple[Any, ...]] = []
        bad: list[tuple[Record, str]] = []
        for record in records:
            try:
                if record.key == WATERMARK_KEY:
                    result.mark = _control(record.value or b"")
                elif record.value is None:
                    removed.append(self.removed(partition, record))
                else:
                    row, mark = self.row(partition, record, record.value)
                    rows.append(row)
                    result.mark = mark or result.mark
            except Exception as error:  # whatever is wrong with a record, its bytes are kept
                bad.append((record, f"{type(error).__name__}: {error}"))
        for names, found in ((self.columns, rows), (self.removed_columns, removed)):
            if found:
                known = types(self.table)
                columns, misfits = fitted({name: known[name] for name in names}, found)
                if columns:
                    result.each.append(Insert(self.table, names, columns))
                if misfits:
                    offsets = {record.offset: record for record in records}
                    bad += [(offsets[found[number][-1]], why) for number, why in misfits.items()]
        if bad:
            columns = [list(column) for column in zip(*(self._bad(partition, *each) for each in bad), strict=True)]
            result.each.append(Insert(self.quarantine, _QUARANTINE, columns))
        return result

    def _bad(self, partition: int, record: Record, error: str) -> tuple[Any, ...]:
        why = error.encode(errors="backslashreplace")
        return self.topic, partition, record.offset, record.key or b"", record.value or b"", why

    @abstractmethod
    def row(self, partition: int, record: Record, value: bytes) -> tuple[tuple[Any, ...], Control | None]:
        """Column values of one record, the offset last, and how far it says the partition is.

        Raises any error for what is not valid.
        """

    def removed(self, _partition: int, _record: Record) -> tuple[Any, ...]:
        """Column values that remove a row, the offset last. Raises ValueError where rows cannot be removed."""
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

    def row(self, partition: int, record: Record, value: bytes) -> tuple[tuple[Any, ...], Control | None]:
        found = _envelope(value)
        bytes_ = bytes(found.data)
        event, data = self._current(bytes_)
        stored = b"" if data is bytes_ else bytes_
        row = (
            *(found.position, found.id, type(event).__name__, found.subject, found.sequence, found.partitionkey),
            *(self._event_time(event), found.time, found.correlationid, found.causationid),
            *(found.hash, data, stored, partition, record.offset),
        )
        return row, Control(position=found.position, time=found.time)


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

    def row(self, partition: int, record: Record, value: bytes) -> tuple[tuple[Any, ...], Control | None]:
        row = self._decode(value)
        data = row.data
        engine = (row.position, row.epoch, 0, partition, record.offset)
        return (_text(record.key), *[get(data) for get in self._getters], *engine), None

    def removed(self, partition: int, record: Record) -> tuple[Any, ...]:
        return _text(record.key), 0, 0, 1, partition, record.offset


def _text(key: bytes | None) -> str:
    if key is None:
        raise ValueError("a record without a key")
    return key.decode()


def targets_of(domain: Domain) -> list[Target]:
    """The ways of all topics of a domain into ClickHouse. Raises KeyError for an aggregate without a table."""
    tables = {table.aggregate: table for table in tables_of(domain)}
    aggregates = [AggregateTarget(domain, a, tables[a.name]) for a in domain.aggregates]
    return [EventsTarget(domain), *aggregates]
