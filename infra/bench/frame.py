"""What a benchmark consists of, and how its cases are measured: in turns, so that a slow minute hits everyone."""

import gc
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from statistics import median
from typing import Any, Protocol

from infra.bench.place import Place

ROUNDS = 5
# Of a round: long enough to open connections, fill caches and learn the rate that a round is sized by.
_WARM_UP = 0.5


@dataclass(frozen=True)
class Sample:
    """One measurement: how much in how many seconds, and the latencies in ms when single requests were timed."""

    count: int
    seconds: float
    latencies: Sequence[float] = ()
    notes: Mapping[str, float] = field(default_factory=dict)

    @property
    def rate(self) -> float:
        return self.count / self.seconds

    def percentile(self, share: float) -> float:
        """The latency, in ms, that `share` (0 to 1) of the requests stay within."""
        ordered = sorted(self.latencies)
        return ordered[min(int(len(ordered) * share), len(ordered) - 1)]


class Runner(Protocol):
    """One that does a case's work."""

    def run(self, seconds: float) -> Sample:
        """Work for about so many seconds. What it works on is prepared outside of the measured time."""
        ...


@dataclass(frozen=True)
class Case:
    """One case: we, the floor (a bare client doing the same input and output), and the peers by name.

    `unit` is what is counted. A `paced` case has a given rate, and what is compared is the 95th percentile of the
    latency. `goals` are by a field of the result's line, or `ratios.<peer>`; latencies may be lower. `also` gives
    further fields of the line, from the samples by runner.
    """

    ours: Runner
    floor: Runner | None = None
    peers: Mapping[str, Runner] = field(default_factory=dict)
    unit: str = "events"
    paced: bool = False
    goals: Mapping[str, float] = field(default_factory=dict)
    also: Callable[[Mapping[str, Sequence[Sample]]], Mapping[str, Any]] = lambda _: {}

    @property
    def runners(self) -> dict[str, Runner]:
        return {"ours": self.ours, **({"floor": self.floor} if self.floor else {}), **self.peers}


@dataclass(frozen=True)
class Suite:
    """One benchmark: what it needs (`postgres`, `kafka`, `clickhouse`), and its cases by name, each of which is
    opened at a place, measured, and closed. Each has a place of its own, or all have the one that `shared` makes ready.
    """

    summary: str
    needs: tuple[str, ...]
    cases: Mapping[str, Callable[[Place], AbstractContextManager[Case]]]
    shared: Callable[[Place], AbstractContextManager[Place]] | None = None


@dataclass(frozen=True)
class Result:
    """The samples of a case by runner, round by round."""

    case: Case
    samples: Mapping[str, Sequence[Sample]]

    def line(self) -> dict[str, Any]:
        """The case's figures: medians over the rounds, the spread from the least to the greatest, the floor, the
        peers, and the median over the rounds of our ratio to each."""
        ours, figure = self.samples["ours"], self._figure
        line: dict[str, Any] = {"unit": "ms at p95" if self.case.paced else f"{self.case.unit}/s"}
        if not self.case.paced:
            line["rate"] = _round(median(map(figure, ours)))
        if ours[0].latencies:
            for share in (50, 95, 99):
                line[f"p{share}_ms"] = _round(median(sample.percentile(share / 100) for sample in ours))
        line["spread"] = [_round(min(map(figure, ours))), _round(max(map(figure, ours)))]
        others = {name: _round(median(map(figure, s))) for name, s in self.samples.items() if name != "ours"}
        line["floor"] = others.pop("floor", None)
        line["peers"] = others
        line["ratios"] = {name: round(self._ratio(name), 3) for name in self.samples if name != "ours"}
        line |= {name: round(median(s.notes[name] for s in ours), 1) for name in ours[0].notes}
        line |= self.case.also(self.samples)
        line["goals"] = dict(self.case.goals)
        line["missed"] = [name for name, goal in self.case.goals.items() if not _met(line, name, goal)]
        return line

    def _figure(self, sample: Sample) -> float:
        return sample.percentile(0.95) if self.case.paced else sample.rate

    def _ratio(self, name: str) -> float:
        pairs = zip(self.samples["ours"], self.samples[name], strict=True)
        return median(self._figure(ours) / self._figure(other) for ours, other in pairs)


def measure(case: Case, seconds: float, show: Callable[[str, float], None]) -> Result:
    """Warm all runners up, then let them run in turns, each for `seconds` in all; the order moves on each round.

    `show` gets who runs now and which part of the work is done.
    """
    runners, each = case.runners, seconds / ROUNDS
    names = list(runners)
    turns = [(name, each * _WARM_UP) for name in names]
    for number in range(ROUNDS):
        first = number % len(names)
        turns += [(name, each) for name in names[first:] + names[:first]]
    samples: dict[str, list[Sample]] = {name: [] for name in names}
    for done, (name, duration) in enumerate(turns):
        show(name, done / len(turns))
        sample = runners[name].run(duration)
        if done >= len(names):
            samples[name].append(sample)
    return Result(case, samples)


@contextmanager
def uncollected() -> Iterator[None]:
    """No garbage collection meanwhile: it would walk through what was prepared, which an application does not have."""
    gc.collect()
    gc.freeze()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
        gc.unfreeze()


def _met(line: Mapping[str, Any], name: str, goal: float) -> bool:
    group, _, peer = name.partition(".")
    figure = line[group].get(peer, 0) if peer else line[name]
    return bool(figure <= goal if name.endswith("_ms") else figure >= goal)


def _round(figure: float) -> float:
    return round(figure) if figure >= 100 else round(figure, 2)
