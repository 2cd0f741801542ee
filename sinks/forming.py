"""How a run of records becomes columns: all at once, and without what is bad when something is."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import Any

import msgspec

from schemas import Control
from sinks.fitting import Column, Misfit, fitted

_QUARANTINE = ("topic", "kafka_partition", "kafka_offset", "key", "value", "error")


# Records that are formed at a time: what belongs to them stays in the processor's cache.
_RUN = 1000
# ClickHouse types of a table's columns, by the table's name.
Types = Callable[[str], Mapping[str, str]]
_control = msgspec.json.Decoder(Control).decode


class Record(msgspec.Struct, frozen=True, gc=False):
    """A record as the loader keeps it."""

    offset: int
    key: bytes | None
    value: bytes | None


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


Form = Callable[[int, Sequence[Record]], tuple[list[Column], Control | None]]


class Forming:
    """The inserts of one run of records, as they are made."""

    def __init__(self, topic: str, partition: int, table: str, quarantine: str, types: Types) -> None:
        self._topic, self._partition, self._table, self._quarantine = topic, partition, table, quarantine
        self._types = types
        self._made: list[Insert] = []
        self._bad: list[tuple[Record, str]] = []
        self._mark: tuple[int, Control] | None = None

    def form(self, records: Sequence[Record], names: Sequence[str], make: Form) -> None:
        """Add the rows that `make` gives for the records, in their order."""
        runs = (records[start : start + _RUN] for start in range(0, len(records), _RUN))
        parts = [part for run in runs for part in self._parts(run, names, make)]
        if parts:
            columns = parts[0] if len(parts) == 1 else [list(chain(*column)) for column in zip(*parts, strict=True)]
            self._made.append(Insert(self._table, names, columns))

    def control(self, records: Sequence[Record]) -> None:
        """Note what control records say of how far the partition is."""
        for record in records:
            try:
                self._reached(record.offset, _control(record.value or b""))
            except msgspec.MsgspecError as error:
                self._bad.append((record, _said(error)))

    def inserts(self) -> Inserts:
        """All that has been added; the bad records in the quarantine, in their order."""
        if self._bad:
            self._bad.sort(key=lambda each: each[0].offset)
            rows = (self._quarantined(*each) for each in self._bad)
            columns = [list(column) for column in zip(*rows, strict=True)]
            self._made.append(Insert(self._quarantine, _QUARANTINE, columns))
        return Inserts(self._made, self._mark[1] if self._mark else None)

    def _parts(self, records: Sequence[Record], names: Sequence[str], make: Form) -> Iterator[list[list[Any]]]:
        """All at once; when one is bad, the halves by themselves, down to the bad one."""
        if not records:
            return
        known = self._types(self._table)
        types = {name: known[name] for name in names}
        try:
            columns, mark = make(self._partition, records)
            made = fitted(types, columns)
        except Exception as error:  # whatever is wrong with a record, its bytes are kept
            if len(records) == 1:
                self._bad.append((records[0], _said(error)))
                return
            half = len(records) // 2
            yield from self._parts(records[:half], names, make)
            yield from self._parts(records[half:], names, make)
            return
        if mark:
            self._reached(records[-1].offset, mark)
        yield made

    def _quarantined(self, record: Record, error: str) -> tuple[Any, ...]:
        why = error.encode(errors="backslashreplace")
        return self._topic, self._partition, record.offset, record.key or b"", record.value or b"", why

    def _reached(self, offset: int, mark: Control) -> None:
        if self._mark is None or offset > self._mark[0]:
            self._mark = offset, mark


def _said(error: Exception) -> str:
    return str(error) if isinstance(error, Misfit) else f"{type(error).__name__}: {error}"
