"""How far a consumer group has come with the events, seen from outside: by the offsets that it has committed."""

import time
from types import TracebackType

import psutil
from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient

from infra.bench.fold.input import Input
from infra.bench.frame import Sample
from infra.bench.process import Process

_PATIENCE = 120.0
_POLL_SECONDS = 0.01


class Progress:
    """The committed offsets of a group on the topic of `source`."""

    def __init__(self, kafka: str, group: str, source: Input) -> None:
        self._source = source
        self._kafka, self._group = kafka, group
        self._places = [TopicPartition(source.topic, number) for number in source.ends()]
        # Not "read_committed", which would wait for the transactions under way.
        self._consumer = Consumer(
            {"bootstrap.servers": kafka, "group.id": group, "isolation.level": "read_uncommitted", "log_level": 3}
        )

    def __enter__(self) -> "Progress":
        return self

    def __exit__(self, kind: type[BaseException] | None, value: object, trace: TracebackType | None) -> None:
        self._consumer.close()

    def offsets(self) -> dict[int, int]:
        """The committed offset of each partition, 0 where there is none or the group's coordinator is on its way."""
        try:
            found = self._consumer.committed(self._places, 10)
        except KafkaException as error:
            if not error.args[0].retriable() and error.args[0].code() != KafkaError.NOT_COORDINATOR:
                raise
            return dict.fromkeys(self._source.ends(), 0)
        return {place.partition: max(place.offset, 0) for place in found}

    def events(self, offsets: dict[int, int]) -> int:
        """How many events stand below the offsets."""
        return self._source.below(offsets)

    def done(self) -> bool:
        """Look whether all is folded, after a moment."""
        time.sleep(_POLL_SECONDS)
        return self.events(self.offsets()) >= self._source.count

    def members(self) -> int:
        """How many members the group has; 0 while it is being balanced."""
        admin = AdminClient({"bootstrap.servers": self._kafka, "log_level": 3})
        group = admin.describe_consumer_groups([self._group])[self._group].result()
        return len(group.members) if group.state.name == "STABLE" else 0

    def observe(self, processes: list[Process], seconds: float) -> Sample:
        """Watch the group for `seconds` or until it has folded all.

        First it warms up for as many seconds, or for half of the events: a JVM compiles its hot code after seconds, a
        table grows to its size. That begins with the first commit, of several processes with the first one after which
        all fold. What is over with its first commit counts from the start of the watch. Raises BenchError when a
        process ends, or nothing comes about.
        """
        watch = _Watch(self, processes, self._source.count, seconds)
        processes[0].until(watch.finished, f"{self._group} folds", _PATIENCE + 2 * seconds)
        return watch.sample()


class _Watch:
    """The commits that are seen, and the processor time that the processes had used by then."""

    def __init__(self, progress: Progress, processes: list[Process], total: int, seconds: float) -> None:
        self._progress, self._total, self._seconds = progress, total, seconds
        self._processes = [psutil.Process(process.pid) for process in processes]
        self._first = self._last = self._seen(0)
        self._joined: dict[int, int] | None = None
        self._begun, self._warm = False, True  # warming up

    def finished(self) -> bool:
        """Look once more; whether that was enough."""
        time.sleep(_POLL_SECONDS)
        offsets = self._progress.offsets()
        events = self._progress.events(offsets)
        if events <= self._last.events:
            return False
        self._last = self._seen(events)
        if events >= self._total:
            return True
        if self._begun and not self._warm:
            return self._last.moment - self._first.moment >= self._seconds
        if self._begun:
            self._warm = events < self._total / 2 and self._last.moment - self._first.moment < self._seconds
            self._first = self._first if self._warm else self._last
        elif self._all_fold(offsets):
            self._begun, self._first = True, self._last
        return False

    def _all_fold(self, offsets: dict[int, int]) -> bool:
        """Whether each process folds; of several that is known when each partition has moved since all joined."""
        if len(self._processes) == 1:
            return True
        if self._joined is None:
            self._joined = offsets if self._progress.members() == len(self._processes) else None
            return False
        return all(offset > self._joined[number] for number, offset in offsets.items())

    def sample(self) -> Sample:
        """What was folded in which time; `cpu_us_per_1000` events, and the resident memory at the end."""
        first, last = self._first, self._last
        events = last.events - first.events
        notes = {"cpu_us_per_1000": (last.cpu - first.cpu) * 1e9 / events, "rss_mib": last.rss / 2**20}
        return Sample(events, last.moment - first.moment, notes=notes)

    def _seen(self, events: int) -> "_Seen":
        times = [process.cpu_times() for process in self._processes]
        rss = sum(process.memory_info().rss for process in self._processes)
        return _Seen(time.perf_counter(), events, sum(each.user + each.system for each in times), rss)


class _Seen:
    """One look: the moment, the events folded, processor seconds used, resident bytes."""

    __slots__ = ("cpu", "events", "moment", "rss")

    def __init__(self, moment: float, events: int, cpu: float, rss: int) -> None:
        self.moment, self.events, self.cpu, self.rss = moment, events, cpu, rss
