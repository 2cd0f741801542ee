"""What an app does with the records of its partitions: the engine, and the one of a domain's folds."""

from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from schemas import Control
from streams.changes import Changes, Record
from streams.folding import Folder
from streams.refolding import History, Refold
from streams.windows import OpenWindows


class Work(Protocol):
    """The work on one open partition number: all that is known of it beside its rows and held keys."""

    def run(
        self, topic: str, records: Sequence[Record], rows: Sequence[Mapping[bytes, bytes]], held: Container[bytes]
    ) -> Changes:
        """What a run of records of `topic` changes; changes nothing itself, and raises for nothing that a record has.

        `rows` has one mapping a table of the group.
        """

    def apply(self, changes: Changes) -> None:
        """Go on from what the run changed, which is also in the rows from now on."""


class Engine(Protocol):
    """Begins the work on a partition number."""

    def begin(self, number: int, rows: Sequence[Mapping[bytes, bytes]], mark: Control | None) -> Work:
        """The work on the partition `number` with these rows, complete up to `mark` (None: they are refolded)."""

    def refold(self, key: bytes, request: str) -> Refold | None:
        """The refold of a partition key for a request; None where there is nothing to refold from."""


@dataclass(frozen=True)
class DomainFolds:
    """The engine of a domain's folds; `history` is the event store, for refolds."""

    folder: Folder
    history: History | None = None

    def begin(
        self,
        number: int,  # noqa: ARG002  # all are alike
        rows: Sequence[Mapping[bytes, bytes]],
        mark: Control | None,
    ) -> "FoldWork":
        """The work on a partition with these rows."""
        return FoldWork(self.folder, self.folder.open_windows(rows, mark))

    def refold(self, key: bytes, request: str) -> Refold | None:
        """The refold of a partition key."""
        return None if self.history is None else Refold(self.folder, key, request, self.history)


@dataclass
class FoldWork:
    """The folds of one partition and its open windows."""

    folder: Folder
    windows: OpenWindows

    def run(
        self,
        topic: str,  # noqa: ARG002  # there is one
        records: Sequence[Record],
        rows: Sequence[Mapping[bytes, bytes]],
        held: Container[bytes],
    ) -> Changes:
        """What the folds change."""
        return self.folder.run(records, rows, held, self.windows)

    def apply(self, changes: Changes) -> None:
        """Close and open windows."""
        self.windows.move(changes.mark, changes.closed, changes.opened, changes.kept, changes.forgotten)
