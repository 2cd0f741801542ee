"""Who loads in `bench load`: the sink as a process, a bare client, and the steps on the way each by itself."""

import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from itertools import cycle
from typing import Any

import psutil
from confluent_kafka.admin import AdminClient

from infra.bench.errors import BenchError
from infra.bench.frame import Sample, uncollected
from infra.bench.kafka import reader
from infra.bench.load.input import Input
from infra.bench.place import Place, connected, drop_databases
from infra.bench.process import running
from schemas import Domain
from sinks.forming import Insert, Record, Types
from sinks.tables import prepare
from sinks.targets import EventsTarget

CPU = "cpu_us_per_1000"
# Rows of one insert of the bare client: as many as the sink puts into one at most.
BLOCK = 50_000
_LEAST = 10_000
_FIRST_RATE = 100_000.0
_PATIENCE = 60.0
_POLL_SECONDS = 0.005


def _seconds_used(process: psutil.Process) -> float:
    used = process.cpu_times()
    return float(used.user + used.system)


class Drain:
    """The sink loads the whole topic into fresh tables, from the first rows that can be read to the last."""

    def __init__(self, place: Place, source: Input) -> None:
        self._place, self._source, self._rate = place, source, _FIRST_RATE

    def run(self, seconds: float) -> Sample:
        self._source.fill(max(_LEAST, int(self._rate * seconds)))
        self._forget()
        with connected(self._place.clickhouse) as client, running(self._place, "load") as sink:
            sample = self._watch(client, psutil.Process(sink.pid))
        self._rate = sample.rate
        return sample

    def _forget(self) -> None:
        """Begin anew: no tables, no committed offsets."""
        drop_databases(self._place.clickhouse, self._source.domain.database)
        admin = AdminClient({"bootstrap.servers": self._place.kafka, "log_level": 3})
        group = self._source.domain.sink_group(self._source.domain.events_topic)
        for future in admin.delete_consumer_groups([group]).values():
            future.exception()
        prepare(self._place.clickhouse, [self._source.domain])

    def _watch(self, client: Any, sink: psutil.Process) -> Sample:
        first = last = (0, 0.0, 0.0)
        deadline = time.monotonic() + _PATIENCE
        while last[0] < self._source.count:
            if time.monotonic() > deadline:
                raise BenchError(f"the sink loaded {last[0]} of {self._source.count} events only")
            time.sleep(_POLL_SECONDS)
            [(count,)] = client.execute(f"SELECT count() FROM {self._source.domain.database}.events")
            if count > last[0]:
                last = count, time.perf_counter(), _seconds_used(sink)
                first = first if first[0] else last
        count, duration = last[0] - first[0], last[1] - first[1]
        return Sample(count, duration, notes={CPU: (last[2] - first[2]) / count * 1e9})


class Bare:
    """A bare client inserts the same rows, as columns whose values are ready, into tables made the same way."""

    def __init__(self, place: Place, domain: Domain, ready: Sequence[Insert]) -> None:
        self._url, self._domain, self._ready = place.clickhouse, domain, ready

    def run(self, seconds: float) -> Sample:
        drop_databases(self._url, self._domain.database)
        prepare(self._url, [self._domain])
        with connected(self._url) as client, uncollected():
            return _timed(self._inserts(client), seconds)

    def _inserts(self, client: Any) -> Iterator[int]:
        for each in cycle(self._ready):
            statement = f"INSERT INTO {self._domain.database}.events ({', '.join(each.names)}) VALUES"
            client.execute(statement, each.columns, columnar=True)
            yield len(each.columns[0])


class Consume:
    """A bare consumer reads the topic."""

    def __init__(self, place: Place, source: Input) -> None:
        self._place, self._source = place, source

    def run(self, seconds: float) -> Sample:
        with uncollected():
            return _timed(self._read(), seconds)

    def _read(self) -> Iterator[int]:
        domain = self._source.domain
        while True:
            with closing(reader(self._place.kafka, domain.events_topic, domain.partitions)) as consumer:
                left = self._source.count
                while left > 0:
                    found = len(consumer.consume(min(left, 10_000), _PATIENCE))
                    if not found:
                        raise BenchError("Kafka does not answer")
                    left -= found
                    yield found


class Form:
    """Records become columns, as the sink makes them: decoded, upcast where they are old, and fitted."""

    def __init__(self, domain: Domain, types: Types, batches: Sequence[Sequence[Record]]) -> None:
        self._target, self._types, self._batches = EventsTarget(domain), types, batches

    def run(self, seconds: float) -> Sample:
        with uncollected():
            return _timed(self._form(), seconds)

    def _form(self) -> Iterator[int]:
        for batch in cycle(self._batches):
            self._target.inserts(0, batch, self._types)
            yield len(batch)


def _timed(work: Iterator[int], seconds: float) -> Sample:
    """Work for about so many seconds; this process's time is noted."""
    count, began, used = 0, time.perf_counter(), time.process_time()
    while (duration := time.perf_counter() - began) < seconds or not count:
        count += next(work)
    duration, used = time.perf_counter() - began, time.process_time() - used
    return Sample(count, duration, notes={CPU: used / count * 1e9})
