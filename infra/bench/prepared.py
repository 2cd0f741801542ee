"""A runner that sends what was prepared before, as many parts as fill the time."""

import time
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Generic, TypeVar

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
        if self._rate is None:
            self._measure(self._prepare(_FIRST_PARTS))
        return self._measure(self._prepare(max(1, round((self._rate or 1) * seconds))))

    def _measure(self, parts: Sequence[P]) -> Sample:
        moments = [0.0] * (len(parts) + 1)
        count = 0
        with uncollected():
            moments[0] = time.perf_counter()
            for number, part in enumerate(parts, 1):
                count += self._send(part)
                moments[number] = time.perf_counter()
        duration = moments[-1] - moments[0]
        self._rate = len(parts) / duration
        latencies = [(b - a) * 1000 for a, b in pairwise(moments)] if self._timed else ()
        return Sample(count, duration, latencies)
