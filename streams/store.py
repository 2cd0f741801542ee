"""The stored rows of one partition's tables: what a chunk is folded over.

The truth is the changelog topics. A store is filled from them when a partition is taken over, and changes with the
chunks: first it shows what a chunk has changed (`apply`), then, once the transaction of the chunk is committed, it may
keep that for a later start (`settle`). So whatever a store keeps on disk was committed before.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from confluent_kafka import OFFSET_BEGINNING

from schemas import Control, Fatal

Changed = Mapping[bytes, bytes | None]


class Damaged(Fatal):
    """A store cannot be read. The worker must end; the next start replaces the store from the changelog."""


class Table(Protocol):
    """Target of a load: a changelog partition is read from `start` on; `mark` is known without reading."""

    start: int
    mark: Control | None

    def load(self, rows: Iterable[tuple[bytes, bytes | None]]) -> None:
        """Take over records, in their order; those without a value remove their key."""

    def loaded(self, mark: Control | None, end: int) -> None:
        """The table is complete up to, without, offset `end` of its changelog."""


@dataclass(frozen=True)
class Changelog:
    """One changelog partition as the broker has it: id of the topic, first offset, and the one after the last."""

    topic_id: str
    first: int
    end: int


class Store(Protocol):
    """The tables of one partition, in the order of the folds."""

    @property
    def rows(self) -> tuple[Mapping[bytes, bytes], ...]:
        """Row key to encoded row, one mapping a table."""

    @property
    def tables(self) -> tuple[Table, ...]:
        """Where to load the changelogs into, one a table."""

    def open(self, changelogs: Callable[[], Sequence[Changelog]]) -> None:
        """Begin: with what an earlier process kept, as far as it belongs to these changelogs."""

    def ready(self) -> None:
        """All tables are loaded."""

    def apply(self, changed: Sequence[Changed]) -> None:
        """Show what a chunk has changed."""

    def settle(self, ends: Sequence[int | None], mark: Control | None) -> None:
        """The applied chunk was committed; its records end before offset `ends` of each changelog, where known."""

    def close(self) -> None:
        """Let go of files."""


class MemoryTable(dict[bytes, bytes]):
    """A table in memory; each load begins anew."""

    start = OFFSET_BEGINNING
    mark: Control | None = None

    def load(self, rows: Iterable[tuple[bytes, bytes | None]]) -> None:
        """Take over records, in their order; those without a value remove their key."""
        for key, value in rows:
            if value is None:
                self.pop(key, None)
            else:
                self[key] = value

    def loaded(self, mark: Control | None, end: int) -> None:
        """Nothing to keep."""


class MemoryStore:
    """All rows in memory, nothing on disk: about 150 bytes a row besides its key and its value."""

    def __init__(self, tables: int) -> None:
        self.rows = self.tables = tuple(MemoryTable() for _ in range(tables))

    def open(self, changelogs: Callable[[], Sequence[Changelog]]) -> None:
        """Nothing was kept."""

    def ready(self) -> None:
        """Nothing to do."""

    def apply(self, changed: Sequence[Changed]) -> None:
        """Show what a chunk has changed."""
        for table, rows in zip(self.tables, changed, strict=True):
            table.load(rows.items())

    def settle(self, ends: Sequence[int | None], mark: Control | None) -> None:
        """Nothing to keep."""

    def close(self) -> None:
        """Nothing to let go of."""
