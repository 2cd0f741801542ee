"""Pages of a size and at a pace that leave the appends alone: no old snapshots, and little of a busy machine."""

import time
from collections.abc import Callable
from typing import TypeVar

Key = TypeVar("Key")
T = TypeVar("T")
_SECONDS = 0.05
_USUAL, _PAUSES = 1.25, 3.0
_FIRST, _LEAST, _MOST = 1_000, 100, 50_000


class Pages:
    """Chooses the size of the next page from how long the last one took, and pauses while the machine is busy."""

    def __init__(self) -> None:
        self.size = _FIRST
        self._best = float("inf")

    def timed(self, read: Callable[[Key, int], T], after: Key) -> T:
        """What `read(after, size)` answers; the next size aims at 50 ms.

        What it took much longer than the fastest page did in proportion, others needed the machine: it pauses three
        times as long.
        """
        began = time.monotonic()
        answer = read(after, self.size)
        took = max(time.monotonic() - began, 1e-6)
        self._best = min(self._best, took / self.size)
        time.sleep(_PAUSES * max(took - _USUAL * self._best * self.size, 0))
        self.size = round(min(max(self.size * min(_SECONDS / took, 2), _LEAST), _MOST))
        return answer
