"""Folds one partition key anew from the event store: what a redrive asks for.

The truth is in the event store, so a key that was held for an error is not taken up where it stopped: all its events up
to where its partition stands are folded with today's code, and the result takes the place of all its rows.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple, Protocol

import msgspec
from msgspec import UNSET, Struct, UnsetType

from schemas import WATERMARK_KEY, Control, Unavailable, encode
from streams.changes import Changes
from streams.failures import DeadLetter
from streams.folding import Folder
from streams.store import MemoryTable
from streams.windows import Ending, OpenWindows, Place

_NOT_FROM_KAFKA = -1


class Past(Protocol):
    """An event as the store has it; `value` is its record's value as the relay publishes it."""

    @property
    def id(self) -> str: ...
    @property
    def position(self) -> int: ...
    @property
    def stream(self) -> str: ...
    @property
    def version(self) -> int: ...
    @property
    def value(self) -> bytes: ...


class History(Protocol):
    """The event store as refolds read it. Methods block, and raise Unavailable when it does not answer."""

    def events(self, key: str, after: int, upto: int, /) -> Iterator[Sequence[Past]]:
        """The events of a partition key after one position up to another, in their order, in pages."""

    def skipped(self, key: str, /) -> frozenset[str]:
        """Ids of the events of a partition key that are to be left out."""


class _Record(NamedTuple):
    key: bytes
    value: bytes
    offset: int = _NOT_FROM_KAFKA


class _Owner(Struct):
    epoch: int = 0
    partitionkey: str | UnsetType = UNSET


_owner = msgspec.json.Decoder(_Owner).decode


class Refold:
    """One partition key, folded from its first event. `position` is how far; all methods block.

    `request` is the id of the request. After an event that cannot be folded nothing more is; `letter` says why.
    """

    def __init__(self, folder: Folder, key: bytes, request: str, history: History) -> None:
        self.key, self.request = key, request
        self._folder, self._history = folder, history
        self._name = key.decode(errors="replace")  # a key that is no text has no events
        self._begin(frozenset())

    def _begin(self, skipped: frozenset[str]) -> None:
        self.position = 0
        self.letter: DeadLetter | None = None
        self._skipped, self._windows = skipped, OpenWindows()
        self._rows = tuple(MemoryTable() for _ in (*self._folder.folds, None))

    def read(self, upto: int, given_up: Callable[[], bool]) -> None:
        """Fold on up to a position. Raises Unavailable when the event store does not answer, or when given up."""
        skipped = self._history.skipped(self._name)
        if skipped != self._skipped:  # an event that was folded may have to go
            self._begin(skipped)
        for page in self._history.events(self._name, self.position, upto):
            self._fold(page)
            self.position = page[-1].position
            if given_up():
                raise Unavailable("the refold was given up")
        self.position = max(self.position, upto)

    def _fold(self, page: Sequence[Past]) -> None:
        records = []
        for event in page:
            if event.id not in self._skipped:
                records.append(_Record(self.key, event.value))
                continue
            self._run(records)
            records = []
            self._rows[-1][event.stream.encode()] = b"%d" % event.version  # what follows is no gap
        self._run(records)

    def _run(self, records: Sequence[_Record]) -> None:
        behind = self.letter is None
        while behind:
            changes = self._folder.run(records, self._rows, (), self._windows)
            for rows, changed in zip(self._rows, changes.rows, strict=True):
                rows.load(changed.items())
            self._windows.move(changes.mark, changes.closed, changes.opened, changes.kept, changes.forgotten)
            self.letter = self.letter or changes.held.get(self.key)
            records, behind = (), changes.behind

    def changes(self, tables: Sequence[Mapping[bytes, bytes]], mark: Control | None) -> Changes:
        """What takes the place of the key's rows in `tables`, those of its partition, which is complete up to `mark`.

        The key is released, or held by the event that could not be folded. Blocks for as long as it takes to look
        through the tables.
        """
        if mark is not None and self.letter is None:
            self._run([_Record(WATERMARK_KEY, encode(mark))])  # closes the windows that are closed by now
        *folded, versions = self._rows
        owned = [dict(_rows_of(self.key, table)) for table in tables[: len(folded)]]
        epoch = 1 + max((owner.epoch for rows in owned for owner in rows.values()), default=-1)
        changes = Changes(rows=(*(dict.fromkeys(rows) for rows in owned), dict(versions)))
        for place, rows in enumerate(folded):
            changes.rows[place].update(self._folder.in_epoch(place, rows, epoch))
        watermark = UNSET if mark is None else mark.watermark
        changes.opened = [ending for ending in self._endings() if watermark is UNSET or ending[0] > watermark]
        changes.kept = [
            (end + window.keep, place)
            for end, place in self._endings()
            if (window := self._folder.folds[place.table].window) is not None and window.keep is not None
        ]
        if self.letter is None:
            changes.released.add(self.key)
        else:
            letter = replace(self.letter, answered=self.request)
            changes.held[self.key] = letter
            changes.dead_letters.append(letter)
        return changes

    def _endings(self) -> Iterator[Ending]:
        for place, (fold, rows) in enumerate(zip(self._folder.folds, self._rows[:-1], strict=True)):
            if fold.window is not None:
                for row_key in rows:
                    yield fold.window.end_of(row_key), Place(place, row_key)


def _rows_of(key: bytes, table: Mapping[bytes, bytes]) -> Iterator[tuple[bytes, _Owner]]:
    """The rows of a partition key, and what they say of it."""
    name = key.decode(errors="replace")
    needle = b'"partitionkey":' + encode(name)
    for row_key, value in table.items():
        if row_key == key or needle in value:  # or it costs a decode for each row
            owner = _owner(value)
            if owner.partitionkey == name or (owner.partitionkey is UNSET and row_key == key):
                yield row_key, owner
