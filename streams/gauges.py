"""Figures of a running worker: what it has done, where it stands."""

import logging
import time
from dataclasses import dataclass, field

from streams.folding import Changes

_log = logging.getLogger(__name__)

_SECONDS_BETWEEN_REPORTS = 5.0


@dataclass
class Gauges:
    """Counters since the start of the worker, and the place of each assigned partition.

    `positions` and `offsets` (next to read) hold what is committed; `held` counts the held keys by partition.
    """

    domain: str
    chunks: int = 0
    events: int = 0
    rows: int = 0
    repeated: int = 0
    passed_over: int = 0
    dead_letters: int = 0
    positions: dict[int, int] = field(default_factory=dict)
    offsets: dict[int, int] = field(default_factory=dict)
    held: dict[int, int] = field(default_factory=dict)
    _reported: tuple[float, int] = field(default_factory=lambda: (time.monotonic(), 0))

    def opened(self, partition: int, offset: int, held: int) -> None:
        """A partition was assigned and loaded."""
        self.offsets[partition] = offset
        self.held[partition] = held
        self._reported = (time.monotonic(), self.events)

    def closed(self) -> None:
        """All partitions were given back."""
        self.positions.clear()
        self.offsets.clear()
        self.held.clear()

    def committed(self, partition: int, changes: Changes, next_offset: int) -> None:
        """A chunk's transaction was committed."""
        self.chunks += 1
        self.events += changes.events
        self.rows += sum(len(rows) for rows in changes.rows)
        self.repeated += changes.repeated
        self.passed_over += changes.passed_over
        self.dead_letters += len(changes.dead_letters)
        self.offsets[partition] = next_offset
        self.held[partition] = self.held.get(partition, 0) + len(changes.held)
        if changes.mark is not None:
            self.positions[partition] = changes.mark.position

    def report(self) -> None:
        """Log a line when there is something new to say, at most every few seconds."""
        now = time.monotonic()
        since, events = self._reported
        if now - since < _SECONDS_BETWEEN_REPORTS:
            return
        if self.events != events:
            _log.info(
                "%s: %s events/s, position %s, %d partitions, %d keys held",
                self.domain,
                f"{(self.events - events) / (now - since):,.0f}",
                f"{max(self.positions.values(), default=0):,}",
                len(self.offsets),
                sum(self.held.values()),
            )
        self._reported = (now, self.events)
