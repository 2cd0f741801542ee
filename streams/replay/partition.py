"""Folds one partition of a history, from its first event up to a position."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from operator import itemgetter

import msgspec
from msgspec import Struct

from schemas import REFOLD_KEY, WATERMARK_KEY, Control, Unavailable, encode
from streams.changes import AnyRecord, Changes
from streams.failures import DeadLetter
from streams.folding import Folder
from streams.replay.source import Skips, Source
from streams.store import MemoryTable
from streams.windows import OpenWindows

_NO_SKIPS: Skips = {}


class _Stub(Struct, gc=False):
    id: str
    subject: str
    sequence: int


_stub = msgspec.json.Decoder(_Stub).decode
_key_of = itemgetter(0)


@dataclass
class Replayed:
    """The tables of one partition, as a worker writes them that has come to the position of `mark`.

    `tables` has the rows of each aggregate, by its name: row key to the encoded row. They are those of a history
    without refolds: `epoch` is 0. `versions` are the versions of streams that no row carries. `held` maps partition
    keys to the dead letter for which they are held, `letters` has all dead letters. `events` counts the events folded,
    `skipped` those left out because somebody said so, `late` windows that an event came too late for.
    """

    partition: int
    mark: Control
    tables: dict[str, MemoryTable]
    versions: MemoryTable = field(default_factory=MemoryTable)
    held: dict[bytes, DeadLetter] = field(default_factory=dict)
    letters: list[DeadLetter] = field(default_factory=list)
    events: int = 0
    skipped: int = 0
    late: int = 0

    @property
    def rows(self) -> tuple[MemoryTable, ...]:
        """The tables in the order of the folds, the versions last."""
        return (*self.tables.values(), self.versions)


class PartitionFold:
    """The fold of one partition under way: rows, held keys and open windows."""

    def __init__(self, folder: Folder, partition: int, mark: Control, skips: Skips = _NO_SKIPS) -> None:
        self.found = Replayed(partition, mark, {fold.aggregate: MemoryTable() for fold in folder.folds})
        self._folder, self._skips, self._windows = folder, skips, OpenWindows()
        self._rows = self.found.rows
        # Keys that are not simply folded. Requests for refolds are answered: the folds of today are these.
        self._special = {REFOLD_KEY, *skips}

    def fold(self, records: Sequence[AnyRecord]) -> None:
        """Fold a batch of records. Raises nothing for what a record or a fold does: its key is held."""
        if not self._special.isdisjoint(map(_key_of, records)):
            for part in self._without_special(records):
                self._run(part)
        else:
            self._run(records)

    def finish(self) -> Replayed:
        """Close the windows that are closed at the mark; all that belongs to the partition up to it was folded."""
        self._run([(WATERMARK_KEY, encode(self.found.mark), -1)])
        return self.found

    def _without_special(self, records: Sequence[AnyRecord]) -> Iterator[Sequence[AnyRecord]]:
        """Runs of the records that are to be folded; notes between them the versions of events that are not."""
        part: list[AnyRecord] = []
        for record in records:
            key, value, _ = record
            if key == REFOLD_KEY:
                continue
            stub = self._skipped(key, value)
            if stub is None:
                part.append(record)
                continue
            yield part
            part = []
            self.found.versions[stub.subject.encode()] = b"%d" % stub.sequence  # what follows is no gap
            self.found.skipped += 1
        yield part

    def _skipped(self, key: bytes | None, value: bytes | None) -> _Stub | None:
        """What an event is that is to be left out, None for any other record."""
        ids = None if key is None else self._skips.get(key)
        if not ids:
            return None
        try:
            stub = _stub(value or b"")
        except (msgspec.MsgspecError, RecursionError):
            return None  # the fold says what is wrong with it
        return stub if stub.id in ids else None

    def _run(self, records: Sequence[AnyRecord]) -> None:
        changes = self._folder.run(records, self._rows, self.found.held, self._windows)
        self._take(changes)
        while changes.behind:
            changes = self._folder.run((), self._rows, self.found.held, self._windows)
            self._take(changes)

    def _take(self, changes: Changes) -> None:
        for rows, changed in zip(self._rows, changes.rows, strict=True):
            rows.load(changed.items())
        found = self.found
        found.held.update(changes.held)
        found.letters += changes.dead_letters
        found.events += changes.events
        found.late += changes.late
        self._windows.move(changes.mark, changes.closed, changes.opened, changes.kept, changes.forgotten)


def fold_partition(
    folder: Folder,
    source: Source,
    partition: int,
    mark: Control,
    skips: Skips = _NO_SKIPS,
    done: Callable[[int], None] = lambda _: None,
    given_up: Callable[[], bool] = lambda: False,
) -> Replayed:
    """The tables of a partition as they are at the position of `mark`, which is that event's own watermark.

    `done` is told how many records each batch had. Raises what the source raises, and Unavailable when given up.
    """
    fold = PartitionFold(folder, partition, mark, skips)
    for batch in source.read(partition, mark.position):
        fold.fold(batch)
        done(len(batch))
        if given_up():
            raise Unavailable("the replay was given up", rule="given-up")
    return fold.finish()
