"""A runner that sends what was prepared before, as many parts as fill the time."""

import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from typing import Any, Generic, TypeVar

from infra.bench.frame import Sample, uncollected

P = TypeVar("P")
_FIRST_PARTS = 3


class Prepared(Generic[P]):
    """`prepare(n)` makes n parts, unmeasured; `send(part)` does one and answers how much it was, `timed` says whether
    each one's latency is of interest. A part is, say, a batch of events."""

    def __init__(self, prepare: Callable[[int], Sequence[P]], send: Callable[[P], int], *, timed: bool = False) -> None:
        self._prepare = prepare
        self._send = send
        self._timed = timed
        self._rate: float | None = None

    def run(self, seconds: float) -> Sample:
        parts = self.ready(seconds)
        with uncollected():
            return self.measure(parts)

    def ready(self, seconds: float) -> Sequence[P]:
        """Parts that fill about so many seconds, at the rate of the last measurement."""
        if self._rate is None:
            self.measure(self._prepare(_FIRST_PARTS))
        return self._prepare(max(1, round((self._rate or 1) * seconds)))

    def measure(self, parts: Sequence[P]) -> Sample:
        """Send the parts one after the other."""
        moments = [0.0] * (len(parts) + 1)
        count = 0
        moments[0] = time.perf_counter()
        for number, part in enumerate(parts, 1):
            count += self._send(part)
            moments[number] = time.perf_counter()
        duration = moments[-1] - moments[0]
        self._rate = len(parts) / duration
        latencies = [(b - a) * 1000 for a, b in pairwise(moments)] if self._timed else ()
        return Sample(count, duration, latencies)


class Together:
    """Runners that send at once, a thread each; the rate is that of all of them."""

    def __init__(self, *runners: Prepared[Any]) -> None:
        self._runners = runners

    def run(self, seconds: float) -> Sample:
        parts = [runner.ready(seconds) for runner in self._runners]
        with uncollected(), ThreadPoolExecutor(len(parts)) as threads:
            began = time.perf_counter()
            samples = list(threads.map(lambda runner, mine: runner.measure(mine), self._runners, parts))
            return Sample(sum(sample.count for sample in samples), time.perf_counter() - began)
