"""Who replays in `bench replay`: the processes of a rebuild, one of them alone, and the folds without reading."""

import resource
import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from itertools import cycle

from infra.bench.errors import BenchError
from infra.bench.frame import Sample, uncollected
from infra.bench.kafka import reader
from infra.bench.load.input import Input
from infra.bench.load.runners import CPU
from infra.bench.place import Place
from producers.relay.partitioner import partition_of
from schemas import Control, Domain, discover, stage_module
from streams.changes import Record
from streams.folding import Folder
from streams.replay import KafkaSource, Progress, Replayed, Task, replay
from streams.replay.partition import PartitionFold

_MOST = 1_000_000
_LEAST = 20_000
_FIRST_RATE = 100_000.0
_AT = datetime(2026, 1, 1, 12, tzinfo=UTC)


def folder(namespace: str) -> Folder:
    """The folds of the orders; called in the processes of the replay."""
    domain = discover(namespace)["orders"]
    return Folder(domain, stage_module("streams", domain).FOLDS)


def _events(found: Replayed) -> int:
    return found.events


@dataclass
class _Clock:
    """From the first records that were read to the end: processes take a while to begin, whatever they do then."""

    first: tuple[int, float] = (0, 0.0)

    def __call__(self, done: Progress) -> None:
        if done.records and not self.first[0]:
            self.first = done.records, time.perf_counter()


class Replay:
    """All events of the topic are folded, by so many processes; 0: one a core."""

    def __init__(self, place: Place, source: Input, processes: int = 0) -> None:
        self._place, self._source, self._processes, self._rate = place, source, processes, _FIRST_RATE

    def run(self, seconds: float) -> Sample:
        """Replay as many events as take about so many seconds, a million at most."""
        self._source.fill(min(_MOST, max(_LEAST, int(self._rate * seconds))))
        domain, count, clock = self._source.domain, self._source.count, _Clock()
        task = Task(
            folder=partial(folder, self._place.settings.namespace),
            source=partial(KafkaSource, self._place.kafka, domain.events_topic),
            mark=Control(position=count, time=_AT, watermark=_AT),
            finish=_events,
            skips={},
        )
        began, used = time.perf_counter(), _children()
        found = sum(replay(task, range(domain.partitions), processes=self._processes, show=clock))
        ended, used = time.perf_counter(), _children() - used
        if found != count:
            raise BenchError(f"{found} of {count} events were folded")
        done, first = clock.first if 0 < clock.first[0] < count else (0, began)
        sample = Sample(count - done, ended - first, notes={CPU: used / count * 1e9})
        self._rate = sample.rate
        return sample


class Folds:
    """The folds alone, in this process, on records in memory, into empty tables again and again."""

    def __init__(self, domain: Domain, records: Sequence[Sequence[Record]]) -> None:
        self._folder, self._records = folder(domain.namespace), records

    def run(self, seconds: float) -> Sample:
        """Fold for about so many seconds."""
        with uncollected():
            count, began, used = 0, time.perf_counter(), time.process_time()
            for done in self._fold():
                count += done
                if time.perf_counter() - began > seconds:
                    break
            ended, used = time.perf_counter(), time.process_time() - used
        return Sample(count, ended - began, notes={CPU: used / count * 1e9})

    def _fold(self) -> Iterator[int]:
        for number, records in cycle(enumerate(self._records)):
            fold = PartitionFold(self._folder, number, Control(position=_MOST, time=_AT, watermark=_AT))
            fold.fold(records)
            yield len(records)


def first_records(kafka: str, domain: Domain, count: int) -> list[list[Record]]:
    """The first records of the topic, by partition."""
    found: list[list[Record]] = [[] for _ in range(domain.partitions)]
    with closing(reader(kafka, domain.events_topic, domain.partitions)) as consumer:
        left = count
        while left > 0:
            messages = consumer.consume(min(left, 10_000), 10)
            if not messages:
                raise BenchError("Kafka does not answer")
            for message in messages:
                key = message.key() or b""
                place = partition_of(key, domain.partitions)
                found[place].append(Record(key, message.value() or b"", message.offset() or 0))
            left -= len(messages)
    return found


def _children() -> float:
    """Seconds of processor time of all processes that this one has started and that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
