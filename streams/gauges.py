"""Figures of a running worker: what it has done, where it stands."""

import logging
import time
from collections.abc import Mapping
from dataclasses import dataclass, field

from streams.changes import Changes
from streams.group import Place
from streams.health import State

_log = logging.getLogger(__name__)

_SECONDS_BETWEEN_REPORTS = 5.0


@dataclass
class Gauges:
    """Counters since the start of the worker, and where it stands in each assigned partition of each source.

    `positions` and `offsets` (next to read) hold what is committed; `held` counts the held keys by partition, `commits`
    its transactions since the start. `state` is what the worker does at the moment, `turns` counts its changes,
    `loaded` the records of the tables loaded at the last opening. Another thread reads it all.
    """

    domain: str
    chunks: int = 0
    events: int = 0
    rows: int = 0
    repeated: int = 0
    passed_over: int = 0
    late: int = 0
    final: int = 0
    dead_letters: int = 0
    positions: dict[Place, int] = field(default_factory=dict)
    offsets: dict[Place, int] = field(default_factory=dict)
    held: dict[Place, int] = field(default_factory=dict)
    commits: dict[Place, int] = field(default_factory=dict)
    state: State = "waiting"
    turns: int = 0
    loaded: int = 0
    _reported: tuple[float, int] = field(default_factory=lambda: (time.monotonic(), 0))

    def joining(self) -> None:
        """The worker has no partitions and asks its group for some."""
        self.positions, self.offsets, self.held = {}, {}, {}
        self._turn("joining")

    def loading(self) -> None:
        """Partitions were assigned; their tables are loaded from now on."""
        self.loaded = 0
        self._turn("loading")

    def loading_on(self, records: int) -> None:
        """So many more records of the tables were loaded."""
        self.loaded += records

    def opened(self, offsets: Mapping[Place, int], held: Mapping[Place, int]) -> None:
        """The assigned partitions are loaded; none of them: the worker stands by."""
        self.offsets, self.held = dict(offsets), dict(held)
        self._reported = (time.monotonic(), self.events)
        self._turn("running" if offsets else "standby")

    def _turn(self, state: State) -> None:
        self.state = state
        self.turns += 1

    def committed(self, place: Place, changes: Changes, next_offset: int, held: int) -> None:
        """A chunk's transaction was committed; so many keys of the place are held."""
        self.chunks += 1
        self.events += changes.events
        self.rows += sum(len(rows) for rows in changes.rows)
        self.repeated += changes.repeated
        self.passed_over += changes.passed_over
        self.late += changes.late
        self.final += changes.final
        self.dead_letters += len(changes.dead_letters)
        self.offsets[place] = next_offset
        self.commits[place] = self.commits.get(place, 0) + 1
        self.held[place] = held
        if changes.mark is not None:
            self.positions[place] = changes.mark.position

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
