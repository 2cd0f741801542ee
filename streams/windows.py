"""Windows of event time: which ones an instant falls into, and which of a partition are still open.

A window is a row of an ordinary table, keyed with the event's key and the window's start. It is closed when the
watermark that the append stamped on an event has reached its end: the same events are in it whenever a worker runs.
"""

import heapq
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import NamedTuple

from schemas import Control

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_SEPARATOR = b"@"


class Window(NamedTuple):
    """From `start` up to, without, `end`. Row keys of the window end with `suffix`."""

    start: datetime
    end: datetime
    suffix: bytes


@dataclass(frozen=True)
class Windows:
    """Windows of one `size` that begin `every` so often, counted from 1970 in UTC.

    A row is removed once the watermark is `keep` beyond its window's end; without, it stays. See `tumbling` and
    `hopping`. Raises ValueError for windows that would leave gaps or that nothing falls into.
    """

    size: timedelta
    every: timedelta
    keep: timedelta | None = None

    def __post_init__(self) -> None:
        if self.keep is not None and self.keep < timedelta(0):
            raise ValueError("windows are kept for nothing or longer beyond their end; None keeps them for ever")
        if not timedelta(0) < self.every <= self.size:
            raise ValueError("windows begin at most as far apart as they are long, and longer than nothing")

    def of(self, instant: datetime) -> list[Window]:
        """The windows that the instant falls into, the earliest first."""
        at, size, every = (instant - _EPOCH) // _MICROSECOND, self.size, self.every // _MICROSECOND
        last = at // every * every
        first = last - (size // _MICROSECOND - 1 - (at - last)) // every * every
        return [_window(start, size) for start in range(first, last + 1, every)]

    def end_of(self, row_key: bytes) -> datetime:
        """The end of the window that a row is of. Raises ValueError for a key that is none of a window's row."""
        return datetime.fromisoformat(row_key.rpartition(_SEPARATOR)[2].decode()) + self.size


def tumbling(size: timedelta, *, keep: timedelta | None = None) -> Windows:
    """Windows one after the other: each instant is in exactly one."""
    return Windows(size, size, keep)


def hopping(size: timedelta, *, every: timedelta, keep: timedelta | None = None) -> Windows:
    """Windows of `size` that begin `every` so often and overlap: each instant is in several."""
    return Windows(size, every, keep)


@lru_cache(maxsize=10_000)
def _window(start: int, size: timedelta) -> Window:
    begin = _EPOCH + start * _MICROSECOND
    return Window(begin, begin + size, _SEPARATOR + begin.isoformat().replace("+00:00", "Z").encode())


class Place(NamedTuple):
    """A window's row: the place of its table among the folds, and its key."""

    table: int
    row_key: bytes


# A window's end and its row.
Ending = tuple[datetime, Place]


class Endings:
    """Windows in the order of an instant: that of their end, or that up to which they are kept."""

    def __init__(self, found: Iterable[Ending] = ()) -> None:
        self._places: dict[datetime, set[Place]] = {}
        self._ends: list[datetime] = []  # a heap of the keys of _places
        self.add(found)

    def due(self, watermark: datetime) -> Iterator[Ending]:
        """Those whose instant is not after `watermark`, the earliest first."""
        ends = self._ends
        waiting = [(ends[0], 0)] if ends else []
        while waiting:  # down the heap, no further than necessary
            end, at = heapq.heappop(waiting)
            if end > watermark:
                return
            for place in self._places[end]:
                yield end, place
            for below in (2 * at + 1, 2 * at + 2):
                if below < len(ends):
                    heapq.heappush(waiting, (ends[below], below))

    def remove(self, gone: Iterable[Ending]) -> None:
        """Take some out."""
        for end, place in gone:
            if end in self._places:
                self._places[end].discard(place)
        while self._ends and not self._places[self._ends[0]]:
            del self._places[heapq.heappop(self._ends)]

    def add(self, found: Iterable[Ending]) -> None:
        """Put some in; those that are here already stay."""
        for end, place in found:
            if end not in self._places:
                self._places[end] = set()
                heapq.heappush(self._ends, end)
            self._places[end].add(place)


class OpenWindows:
    """The windows of one partition that have no final mark yet, and how far the partition is: `mark`.

    `kept` are those that have one and are to be removed later, by the instant at which that is.
    """

    def __init__(self, mark: Control | None = None, opened: Iterable[Ending] = (), kept: Iterable[Ending] = ()) -> None:
        self.mark = mark
        self._open, self.kept = Endings(opened), Endings(kept)

    def due(self, watermark: datetime) -> Iterator[Ending]:
        """The open windows whose end is not after `watermark`, the earliest first."""
        return self._open.due(watermark)

    def move(
        self,
        mark: Control | None,
        closed: Iterable[Ending],
        opened: Iterable[Ending],
        kept: Iterable[Ending] = (),
        forgotten: Iterable[Ending] = (),
    ) -> None:
        """Take over what a run has closed, opened, begun to keep and removed, and its mark unless it had none."""
        self.mark = mark or self.mark
        self._open.remove(closed)
        self._open.add(opened)
        self.kept.add(kept)
        self.kept.remove(forgotten)
