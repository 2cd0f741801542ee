"""The deadlines of the processes of one partition, the nearest first."""

import heapq
from collections.abc import Iterable
from datetime import datetime

Deadline = tuple[datetime, bytes, str]  # instant, correlation key, name


class Deadlines:
    """A heap. It may hold deadlines that were moved or taken away meanwhile: the row of the process decides."""

    def __init__(self, deadlines: Iterable[Deadline] = ()) -> None:
        self._heap = list(deadlines)
        heapq.heapify(self._heap)

    def add(self, deadline: Deadline) -> None:
        """Know of one more."""
        heapq.heappush(self._heap, deadline)

    def pop(self, watermark: datetime) -> Deadline | None:
        """The nearest deadline that is not after the watermark; it is forgotten."""
        return heapq.heappop(self._heap) if self.are_due(watermark) else None

    def are_due(self, watermark: datetime) -> bool:
        """Whether there is one that is not after the watermark."""
        return bool(self._heap) and self._heap[0][0] <= watermark
