"""Chunks that were read and wait to be folded: what comes while a partition is busy is folded as one chunk.

A transaction costs about the same for one record as for a thousand. A partition that commits a chunk of its own for
each transaction of the relay falls behind for good as soon as these come faster than it commits.
"""

from collections import deque
from collections.abc import Callable, Iterable
from itertools import chain

from streams import reading
from streams.group import Place
from streams.reading import Chunk, size_of

# So much of a whole chunk is worth a transaction of its own, whatever is still to come.
_ENOUGH = 0.25


class _Line:
    """The chunks of one partition, in order."""

    def __init__(self) -> None:
        self.chunks: deque[tuple[Chunk, int]] = deque()
        self.records = self.bytes = 0

    def add(self, chunk: Chunk) -> None:
        size = size_of(chunk.records)
        self.chunks.append((chunk, size))
        self._count(chunk, size, 1)

    def _count(self, chunk: Chunk, size: int, sign: int) -> None:
        self.records += sign * len(chunk.records)
        self.bytes += sign * size

    @property
    def is_enough(self) -> bool:
        return _share(self.records, self.bytes) >= _ENOUGH

    def take(self) -> Chunk:
        """As many of the first chunks as one transaction may have, as one."""
        taken: list[Chunk] = []
        records = bytes_ = 0
        while self.chunks:
            chunk, size = self.chunks[0]
            records, bytes_ = records + len(chunk.records), bytes_ + size
            if taken and _share(records, bytes_) > 1:
                break
            self.chunks.popleft()
            self._count(chunk, size, -1)
            taken.append(chunk)
        if len(taken) == 1:
            return taken[0]
        joined = list(chain.from_iterable(chunk.records for chunk in taken))
        return Chunk(joined, taken[0].start, taken[-1].end)


class Waiting:
    """What waits, by partition."""

    def __init__(self) -> None:
        self._lines: dict[Place, _Line] = {}

    @property
    def places(self) -> Iterable[Place]:
        """Those that have something."""
        return self._lines.keys()

    @property
    def is_full(self) -> bool:
        """Whether no more should be read for now."""
        lines = self._lines.values()
        return _share(sum(line.records for line in lines), sum(line.bytes for line in lines)) >= 1

    def add(self, place: Place, chunk: Chunk) -> None:
        """Put a chunk behind those of its partition that it follows."""
        self._lines.setdefault(place, _Line()).add(chunk)

    def take(self, is_busy: Callable[[Place], bool]) -> tuple[Place, Chunk] | None:
        """A chunk of the partition that has waited longest, of those that are not busy or have enough; None if there is
        none."""
        for place, line in self._lines.items():
            if line.is_enough or not is_busy(place):
                del self._lines[place]
                chunk = line.take()
                if line.chunks:
                    self._lines[place] = line  # behind the others
                return place, chunk
        return None

    def clear(self) -> None:
        """Forget all."""
        self._lines.clear()


def _share(records: int, bytes_: int) -> float:
    """Which part of the most that a chunk may have this is."""
    return max(records / reading.CHUNK_RECORDS, bytes_ / reading.CHUNK_BYTES)
