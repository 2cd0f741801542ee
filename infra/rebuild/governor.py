"""Pauses the folds of a rebuild while the live tables fall behind."""

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from infra.positions import Positions
from schemas import HeadraceError
from streams.changes import AnyRecord
from streams.replay import Source

_log = logging.getLogger(__name__)
_LOOK_SECONDS = 0.5
_HOPELESS_SECONDS = 10.0


@dataclass(frozen=True)
class Paced:
    """A source that gives the next batch only while `go` is set. Made where it is read."""

    source: Source
    go: Any

    def read(self, partition: int, upto: int) -> Iterator[Sequence[AnyRecord]]:
        """The records of a partition up to a position."""
        for batch in self.source.read(partition, upto):
            self.go.wait()
            yield batch

    def close(self) -> None:
        """Let go of connections."""
        self.source.close()


@dataclass(frozen=True)
class Pacing:
    """Makes the paced source. Picklable while a process is started with it, as its event is."""

    source: Callable[[], Source]
    go: Any

    def __call__(self) -> Source:
        """The source, in the process that reads it."""
        return Paced(self.source(), self.go)


class Lag:
    """How many seconds the live tables are behind: since when the last event that they lack has been there."""

    def __init__(self) -> None:
        self._seen: deque[tuple[float, int]] = deque()

    def of(self, now: float, accepted: int, loaded: int) -> float:
        """The lag at an instant at which so much was accepted and loaded."""
        if not self._seen or accepted > self._seen[-1][1]:
            self._seen.append((now, accepted))
        while self._seen and self._seen[0][1] <= loaded:
            self._seen.popleft()
        return now - self._seen[0][0] if self._seen else 0.0


class Governor:
    """Looks at the live tables every `look` seconds, in a thread, and clears `go` while they are more than `budget`
    seconds behind, until they are at half of it. Usable in a `with`.

    Where they do not get on at all although the folds pause, pausing does not help: then the folds go on. `paused` says
    for how many seconds the folds had to wait.
    """

    def __init__(self, positions: Callable[[], Positions], go: Any, budget: float, look: float = _LOOK_SECONDS) -> None:
        self._positions, self._go, self._budget, self._look = positions, go, budget, look
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._run, name="governor", daemon=True)
        self._lag, self.paused, self.seconds = Lag(), 0.0, 0.0

    def __enter__(self) -> "Governor":
        self._go.set()
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._closed.set()
        self._go.set()
        self._thread.join()

    def _run(self) -> None:
        loaded, moved = -1, time.monotonic()
        while not self._closed.wait(self._look):
            try:
                found = self._positions()
            except HeadraceError as error:
                _log.debug("the lag is not known: %s", error.detail)
                continue
            now = time.monotonic()
            if found.loaded != loaded:
                loaded, moved = found.loaded, now
            self.seconds = self._lag.of(now, found.accepted, found.loaded)
            hopeless = now - moved > _HOPELESS_SECONDS
            if self.seconds > self._budget and not hopeless:
                self._go.clear()
            elif self.seconds <= self._budget / 2 or hopeless:
                self._go.set()
            if not self._go.is_set():
                self.paused += self._look
