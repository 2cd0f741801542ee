"""Folds a run of records in memory: the one driver for the live worker, for tests and for replay.

Nothing here knows Kafka or Faust. A run is folded as a whole and answers with what has changed; the caller
applies that to its tables and writes it.
"""

from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Protocol

import msgspec

from schemas import (
    RESERVED_PREFIX,
    WATERMARK_KEY,
    Control,
    Domain,
    Envelope,
    Malformed,
    Row,
    TooLarge,
    encode,
    envelope_decoder,
    row_decoder,
)
from streams.failures import DeadLetter, dead_letter
from streams.fold import Fold

MAX_ROW_BYTES = 900_000  # below the megabyte that brokers take by default, with room for key and headers
_RESERVED = RESERVED_PREFIX.encode()
_ABSENT: Row[Any] = Row(position=0, data=None)
_control_decoder = msgspec.json.Decoder(Control)


class Record(Protocol):
    """What the driver needs of a record of the events topic."""

    @property
    def key(self) -> bytes | None: ...
    @property
    def value(self) -> bytes | None: ...
    @property
    def offset(self) -> int: ...


@dataclass(kw_only=True)
class Changes:
    """What a run of records has changed.

    `rows` has one mapping for each fold, in their order: row key to the encoded row, None when it was removed.
    `held` maps partition keys that are held from now on to their dead letter. `mark` is the highest position of
    the run (None: it had none): all that belongs to the partition up to it is in the rows. `events` counts the
    events folded, `repeated` row updates that had been applied before, `passed_over` events of held keys.
    """

    rows: tuple[dict[bytes, bytes | None], ...]
    held: dict[bytes, DeadLetter] = field(default_factory=dict)
    dead_letters: list[DeadLetter] = field(default_factory=list)
    mark: Control | None = None
    events: int = 0
    repeated: int = 0
    passed_over: int = 0


class Folder:
    """The folds of one domain, ready to run. Raises ValueError unless each aggregate has exactly one fold."""

    def __init__(self, domain: Domain, folds: Sequence[Fold]) -> None:
        if sorted(fold.aggregate for fold in folds) != sorted(a.name for a in domain.aggregates):
            raise ValueError(f"streams/domains/{domain.name}.py must declare one fold for each aggregate")
        self.folds = tuple(folds)
        self.aggregates = tuple(domain.aggregate(fold.aggregate) for fold in folds)
        self._decode = envelope_decoder(domain).decode
        self._decoders = tuple(row_decoder(aggregate).decode for aggregate in self.aggregates)

    def run(
        self, records: Iterable[Record], rows: Sequence[Mapping[bytes, bytes]], held: Container[bytes] = ()
    ) -> Changes:
        """Fold `records`, one partition's in order, over `rows` (one mapping a fold); neither is changed.

        Never raises for what a record or a fold does. A row that cannot be written (not encodable, too large)
        holds its partition key as if its first event in this run had failed: the run is folded again without.
        """
        records = list(records)
        refused: dict[bytes, Exception] = {}
        while True:
            tables = [
                _Table(fold, decode, stored)
                for fold, decode, stored in zip(self.folds, self._decoders, rows, strict=True)
            ]
            run = _Run(self._decode, tables, held, refused)
            run.fold(records)
            unwritable = [table.encode() for table in tables]
            if not any(unwritable):
                run.changes.rows = tuple(table.encoded for table in tables)
                return run.changes
            for errors in unwritable:
                refused.update(errors)


class _Table:
    """One table during a run: the rows seen (as they are after the run so far) and those changed."""

    __slots__ = ("changed", "decode", "encoded", "fold", "key", "seen", "stored")

    def __init__(self, fold: Fold, decode: Callable[[bytes], Row[Any]], stored: Mapping[bytes, bytes]) -> None:
        self.key, self.fold, self.decode, self.stored = fold.key, fold.fold, decode, stored
        self.seen: dict[bytes, Row[Any]] = {}
        self.changed: dict[bytes, bytes] = {}  # row key to the partition key that it belongs to
        self.encoded: dict[bytes, bytes | None] = {}

    def load(self, row_key: bytes) -> Row[Any]:
        stored = self.stored.get(row_key)
        row = self.seen[row_key] = _ABSENT if stored is None else self.decode(stored)
        return row

    def encode(self) -> dict[bytes, Exception]:
        """Encode the changed rows; answers with the partition keys of those that cannot be written."""
        refused: dict[bytes, Exception] = {}
        for row_key, partition_key in self.changed.items():
            row = self.seen[row_key]
            try:
                value = None if row.data is None else encode(row)
                if value is not None and len(value) > MAX_ROW_BYTES:
                    raise TooLarge(f"row {row_key!r} has {len(value):,} bytes, more than {MAX_ROW_BYTES:,}")
                self.encoded[row_key] = value
            except Exception as error:  # a fold may put anything into a row
                refused[partition_key] = error
        return refused


class _Run:
    """One pass over a run of records."""

    def __init__(
        self,
        decode: Callable[[bytes], Envelope[Any]],
        tables: list[_Table],
        held: Container[bytes],
        refused: Mapping[bytes, Exception],
    ) -> None:
        self.changes = Changes(rows=())
        self._decode, self._tables, self._held, self._refused = decode, tables, held, refused

    def fold(self, records: Iterable[Record]) -> None:
        # The hot loop: plain and in one piece on purpose.
        decode, tables, held, refused = self._decode, self._tables, self._held, self._refused
        newly_held = self.changes.held
        last: Envelope[Any] | None = None
        staged: list[tuple[_Table, bytes, Row[Any]]] = []
        events = 0
        for record in records:
            key = record.key
            if key is None or key.startswith(_RESERVED) or key in held or key in newly_held:
                self._aside(record)
                continue
            try:
                if key in refused:
                    raise refused[key]
                envelope = decode(record.value)  # type: ignore[arg-type]  # no value is an error like any other
                if envelope.partitionkey.encode() != key:
                    raise Malformed(f"the record's key {key!r} is not the partition key {envelope.partitionkey!r}")
                position, event = envelope.position, envelope.data
                staged.clear()
                for table in tables:
                    row_key = table.key(envelope).encode()
                    row = table.seen.get(row_key) or table.load(row_key)
                    if position <= row.position:
                        self.changes.repeated += 1
                        continue
                    value = table.fold(row.data, event, envelope)
                    if value is not row.data:
                        staged.append((table, row_key, Row(position=position, data=value, epoch=row.epoch)))
            except Exception as error:  # whatever a fold raises holds the key
                self._hold(key, record, error)
                continue
            for table, row_key, row in staged:
                table.seen[row_key] = row
                table.changed[row_key] = key
            last = envelope
            events += 1
        self.changes.events = events
        if last is not None:
            self._mark(Control(position=last.position, time=last.time, watermark=last.watermark))

    def _hold(self, key: bytes, record: Record, error: Exception) -> None:
        letter = dead_letter(key, record.value, record.offset, error)
        self.changes.held[key] = letter
        self.changes.dead_letters.append(letter)
        self._mark_passed_over(record)

    def _aside(self, record: Record) -> None:
        """A record that is no event to fold: a control record, one of a held key, or one that nobody can use."""
        key, value = record.key, record.value
        if key is not None and not key.startswith(_RESERVED):
            self.changes.passed_over += 1
            self._mark_passed_over(record)
            return
        try:
            if key != WATERMARK_KEY:
                raise Malformed("a record without a key" if key is None else f"unknown control record {key!r}")
            self._mark(_control_decoder.decode(value or b""))
        except Exception as error:  # kept as a dead letter
            self.changes.dead_letters.append(dead_letter(key, value, record.offset, error))

    def _mark_passed_over(self, record: Record) -> None:
        # An envelope has all fields of a control record. One held key must not make the whole table look old.
        with suppress(Exception):
            self._mark(_control_decoder.decode(record.value or b""))

    def _mark(self, control: Control) -> None:
        if self.changes.mark is None or control.position > self.changes.mark.position:
            self.changes.mark = control
