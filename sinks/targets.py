"""Where a topic's records go: the table, its columns, and how a run of records becomes them."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec

from schemas import WATERMARK_KEY, Aggregate, Control, Domain, Envelope, envelope_decoder, row_decoder
from sinks.table import Table
from sinks.tables import ENGINE_COLUMNS, tables_of

_control = msgspec.json.Decoder(Control)
_data = msgspec.json.Decoder(Envelope[msgspec.Raw])
_QUARANTINE = ("topic", "kafka_partition", "kafka_offset", "key", "value", "error")


@dataclass(frozen=True)
class Record:
    """A record as the loader keeps it."""

    offset: int
    key: bytes | None
    value: bytes | None


@dataclass
class Inserts:
    """What a run of records becomes: columns for each table (with the columns' names), and how far it reaches.

    `mark` is the last control record or event of the run: all of the partition up to its position is in the run.
    """

    tables: list[tuple[str, Sequence[str], list[list[Any]]]] = field(default_factory=list)
    mark: Control | None = None


class Target(ABC):
    """One topic's way into ClickHouse."""

    def __init__(self, domain: Domain, topic: str, table: str) -> None:
        self.domain, self.topic, self.table = domain, topic, table
        self.quarantine = f"{domain.database}.quarantine"

    @property
    def tables(self) -> tuple[str, ...]:
        """All tables that rows of this topic may be in, for the check of the highest offset."""
        return (self.table, self.quarantine)

    def inserts(self, partition: int, records: Sequence[Record]) -> Inserts:
        """The columns of a run of one partition's records. What is no valid record goes to quarantine."""
        result = Inserts()
        rows: list[tuple[Any, ...]] = []
        removed: list[tuple[Any, ...]] = []
        bad: list[tuple[Any, ...]] = []
        for record in records:
            try:
                if record.key == WATERMARK_KEY:
                    result.mark = _control.decode(record.value or b"")
                elif record.value is None:
                    removed.append(self.removed(partition, record))
                else:
                    row, mark = self.row(partition, record, record.value)
                    rows.append(row)
                    result.mark = mark or result.mark
            except Exception as error:  # whatever is wrong with a record, its bytes are kept
                bad.append(self._bad(partition, record, error))
        for table, names, found in (
            (self.table, self.columns, rows),
            (self.table, self.removed_columns, removed),
            (self.quarantine, _QUARANTINE, bad),
        ):
            if found:
                result.tables.append((table, names, [list(column) for column in zip(*found, strict=True)]))
        return result

    def _bad(self, partition: int, record: Record, error: Exception) -> tuple[Any, ...]:
        key, value = ((part or b"").decode(errors="backslashreplace") for part in (record.key, record.value))
        return self.topic, partition, record.offset, key, value, f"{type(error).__name__}: {error}"

    columns: Sequence[str]
    removed_columns: Sequence[str] = ()

    @abstractmethod
    def row(self, partition: int, record: Record, value: bytes) -> tuple[tuple[Any, ...], Control | None]:
        """Column values of one record, and how far it says the partition is. Raises for what is not valid."""

    def removed(self, _partition: int, _record: Record) -> tuple[Any, ...]:
        """Column values that remove a row. Raises ValueError where rows cannot be removed."""
        raise ValueError("a record without a value does not belong here")


class EventsTarget(Target):
    """Events, each once, with the very bytes of their data."""

    columns = (
        *("position", "id", "type", "stream", "version", "partition_key", "event_time", "time"),
        *("correlation_id", "causation_id", "hash", "data", "kafka_partition", "kafka_offset"),
    )

    def __init__(self, domain: Domain) -> None:
        super().__init__(domain, domain.events_topic, f"{domain.database}.events")
        self._typed = envelope_decoder(domain).decode

    def row(self, partition: int, record: Record, value: bytes) -> tuple[tuple[Any, ...], Control | None]:
        typed, raw = self._typed(value), _data.decode(value)
        mark = Control(position=raw.position, time=raw.time)
        row = (
            *(raw.position, raw.id, raw.type, raw.subject, raw.sequence, raw.partitionkey),
            *(self.domain.event_time(typed.data), raw.time, raw.correlationid, raw.causationid or ""),
            *(raw.hash, bytes(raw.data).decode(), partition, record.offset),
        )
        return row, mark


class AggregateTarget(Target):
    """Rows of one aggregate. A key stays in its partition, so its version with the highest offset counts."""

    def __init__(self, domain: Domain, aggregate: Aggregate, table: Table) -> None:
        name = f"{domain.projection_database}.{aggregate.name}"
        super().__init__(domain, domain.aggregate_topic(aggregate), name)
        self._decode = row_decoder(aggregate).decode
        self._getters: tuple[Callable[[Any], Any], ...] = tuple(table.columns.values())
        self.columns = (table.key, *table.columns, *ENGINE_COLUMNS)
        self.removed_columns = (table.key, *ENGINE_COLUMNS)

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
    """The ways of all topics of a domain into ClickHouse. Raises Fatal (KeyError) for an undeclared table."""
    tables = {table.aggregate: table for table in tables_of(domain)}
    aggregates = [AggregateTarget(domain, a, tables[a.name]) for a in domain.aggregates]
    return [EventsTarget(domain), *aggregates]
