"""The runner of `bench fold`: one who folds the events, from the beginning, until its time is up."""

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from itertools import count
from statistics import median
from typing import Any

from infra.bench.errors import BenchError
from infra.bench.fold.contestants import Contestant, Contestants
from infra.bench.fold.domain import PARTITIONS
from infra.bench.fold.input import Input
from infra.bench.fold.progress import Progress
from infra.bench.frame import Sample
from infra.bench.kafka import last_values, remove_topics
from infra.bench.place import Place
from infra.bench.process import running
from schemas import RESERVED_PREFIX

# A turn must be long enough to be seen, and the topic must not end before the fastest one's time is up.
_LEAST = 20_000
FASTEST = 500_000
_RESERVED = RESERVED_PREFIX.encode()
_CPU = "cpu_us_per_1000"
_numbers = count(1)


def processor_time(samples: Mapping[str, Sequence[Sample]]) -> dict[str, Any]:
    """`cpu_us_per_1000`: microseconds of processor time that the processes of each runner take for a 1000 events."""
    noted = {name: [sample.notes[_CPU] for sample in each if _CPU in sample.notes] for name, each in samples.items()}
    return {_CPU: {name: round(median(values)) for name, values in noted.items() if values}}


class Drain:
    """Folds the topic of `source`, which grows to what the time needs, from `least` to at most `limit` events.

    Each run is a fresh contestant that starts at the first event. It ends when the time is up or all is folded, and
    then every answer in its changelog is compared with the ledger.
    """

    def __init__(self, place: Place, source: Input, new: Contestants, limit: int, least: int = _LEAST) -> None:
        self._place, self._source, self._new, self._limit, self._least = place, source, new, limit, least

    def run(self, seconds: float) -> Sample:
        self._source.fill(min(self._limit, max(self._least, int(seconds * FASTEST))))
        contestant = self._new(next(_numbers))
        try:
            return self._measure(contestant, seconds)
        finally:
            remove_topics(self._place.kafka, contestant.topics)

    def _measure(self, contestant: Contestant, seconds: float) -> Sample:
        with Progress(self._place.kafka, contestant.group, self._source) as progress, ExitStack() as open_:
            processes = [open_.enter_context(running(self._place, *each)) for each in contestant.processes]
            sample = progress.observe(processes, seconds)
        check(self._place, self._source, contestant)
        return sample


def check(place: Place, source: Input, contestant: Contestant) -> None:
    """Raise BenchError unless what the contestant, which has ended, has in its changelog agrees with the ledger."""
    with Progress(place.kafka, contestant.group, source) as progress:
        offsets = progress.offsets()
    values = last_values(place.kafka, contestant.changelog, PARTITIONS)
    answers = {
        contestant.order(key): contestant.read(value) for key, value in values.items() if not key.startswith(_RESERVED)
    }
    try:
        source.check(answers, offsets, exact=contestant.exact)
    except BenchError as wrong:
        raise BenchError(f"{contestant.group} does not fold right: {wrong.detail}") from wrong
