"""Runners of `bench fold` whose table outlives a turn: how soon a worker is back, and whether its memory stays flat."""

import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from typing import Any

import psutil

from infra.bench.fold.contestants import Contestant
from infra.bench.fold.drain import FASTEST, check
from infra.bench.fold.input import Input
from infra.bench.fold.progress import Progress
from infra.bench.frame import Sample
from infra.bench.place import Place
from infra.bench.process import Process, running

_MORE = 100  # so many events reach every partition
_PATIENCE = 300.0


class Recovery:
    """A worker is started again on a table of `keys` rows, from the start of its process to the commit of what came
    meanwhile in every partition; then all rows are compared with the ledger."""

    def __init__(self, place: Place, source: Input, worker: Contestant, keys: int) -> None:
        """`source` has `keys` orders in turn."""
        self._place, self._source, self._worker, self._keys = place, source, worker, keys

    def run(self, seconds: float) -> Sample:  # noqa: ARG002  # it takes as long as it takes
        if not self._source.count:
            self._source.fill(self._keys)
            self._fold()
        self._source.fill(self._source.count + _MORE)
        duration = self._fold()
        check(self._place, self._source, self._worker)
        return Sample(self._keys, duration, [duration * 1000])

    def _fold(self) -> float:
        with Progress(self._place.kafka, self._worker.group, self._source) as progress:
            began = time.perf_counter()
            with running(self._place, *self._worker.processes[0]) as process:
                process.until(progress.done, f"{self._worker.group} is back", _PATIENCE)
                return time.perf_counter() - began


class Memory:
    """One worker that goes on through all turns, while more events are written. Opened as a context manager."""

    def __init__(self, place: Place, source: Input, worker: Contestant, most: int) -> None:
        """A turn is at most `most` events."""
        self._place, self._source, self._worker, self._most = place, source, worker, most
        self._open = ExitStack()
        self._process: Process | None = None
        self._seen: dict[int, float] = {}

    def __enter__(self) -> "Memory":
        self._process = self._open.enter_context(running(self._place, *self._worker.processes[0]))
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()

    def run(self, seconds: float) -> Sample:
        assert self._process is not None
        before, began = self._source.count, time.perf_counter()
        self._source.fill(before + min(self._most, int(seconds * FASTEST)))
        with Progress(self._place.kafka, self._worker.group, self._source) as progress:
            self._process.until(progress.done, f"{self._worker.group} folds all", _PATIENCE)
        self._seen[self._source.count] = psutil.Process(self._process.pid).memory_info().rss / 2**20
        return Sample(self._source.count - before, time.perf_counter() - began)

    def memory(self, _: Mapping[str, Sequence[Sample]]) -> dict[str, Any]:
        """`rss_mib` by the number of events folded until then, and `flat`: the first of these figures to the last."""
        seen = list(self._seen.values())
        return {"rss_mib": {count: round(mib, 1) for count, mib in self._seen.items()}, "flat": seen[0] / seen[-1]}
