"""Pages of a size that keeps each statement short, so that no old snapshot slows the appends."""

import time
from collections.abc import Callable
from typing import TypeVar

Key = TypeVar("Key")
T = TypeVar("T")
_SECONDS = 0.05
_FIRST, _LEAST, _MOST = 1_000, 100, 50_000


class Pages:
    """Chooses the size of the next page from how long the last one took."""

    def __init__(self) -> None:
        self.size = _FIRST

    def timed(self, read: Callable[[Key, int], T], after: Key) -> T:
        """What `read(after, size)` answers; the next size aims at 50 ms."""
        began = time.monotonic()
        answer = read(after, self.size)
        factor = _SECONDS / max(time.monotonic() - began, 1e-6)
        self.size = round(min(max(self.size * min(factor, 2), _LEAST), _MOST))
        return answer
