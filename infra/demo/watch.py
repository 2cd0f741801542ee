"""Watches the hops of the domains of a demo, from its start until everything that was sent is loaded."""

import time
from collections.abc import Mapping
from dataclasses import dataclass, field

from infra.positions import Hops, Positions

HOPS = ("accepted", "relayed", "folded", "loaded")


@dataclass
class Watch:
    """Where the hops of one domain are in events since the start, and when each reached the end (seconds since it)."""

    begin: int
    started: float = field(default_factory=time.monotonic)
    done: dict[str, int] = field(default_factory=lambda: dict.fromkeys(HOPS, 0))
    finished: dict[str, float] = field(default_factory=dict)

    def take(self, now: Positions, end: int | None) -> bool:
        """Note the positions; answers whether all hops have reached `end`."""
        for hop in HOPS:
            position = getattr(now, hop)
            self.done[hop] = max(self.done[hop], position - self.begin)
            if end is not None and position >= end and hop not in self.finished:
                self.finished[hop] = time.monotonic() - self.started
        return len(self.finished) == len(HOPS)


class Watched:
    """The hops of several domains together."""

    def __init__(self, hops: Mapping[str, Hops]) -> None:
        self._hops = hops
        # Postgres alone is asked: a broker that has just started may not know yet who keeps the workers' offsets.
        self._watches = {name: Watch(each.accepted()) for name, each in hops.items()}
        self._ends: dict[str, int] = {}

    def look(self, sent: bool) -> bool:
        """Ask all hops; answers whether everything is loaded, which nothing is before all is `sent`.

        Raises Unavailable when one cannot be asked.
        """
        for name, hops in self._hops.items():
            now = hops.positions()
            if sent:
                self._ends.setdefault(name, now.accepted)
            self._watches[name].take(now, self._ends.get(name))
        return all(len(watch.finished) == len(HOPS) for watch in self._watches.values())

    def done(self, hop: str) -> int:
        """The events since the start that have passed a hop, in all domains."""
        return sum(watch.done[hop] for watch in self._watches.values())

    def rates(self) -> dict[str, int]:
        """Events a second by hop, from the start until the last of them had passed it."""
        seconds = {hop: max(watch.finished[hop] for watch in self._watches.values()) for hop in HOPS}
        return {hop: round(self.done(hop) / seconds[hop]) for hop in HOPS if self.done(hop)}

    def tokens(self) -> dict[str, str]:
        """For each domain the token of everything that was sent."""
        return {name: f"{name}:{end}" for name, end in self._ends.items()}
