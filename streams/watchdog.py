"""Sees whether offsets move, in a thread of its own, and ends a process that is stuck.

That a process runs, and even that it sends heartbeats, says nothing: a fold may never return, the event loop may be
blocked, the consumer may have been lost. So the one measure is the offset of each assigned partition, against what the
topic has to read. While the broker does not answer nothing can move, and nobody is blamed.
"""

import faulthandler
import logging
import os
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition

from streams import health
from streams.gauges import Gauges
from streams.group import Group
from streams.health import Health, PartitionHealth, State
from streams.probes import probes

_log = logging.getLogger(__name__)

_TICK_SECONDS = 1.0
_BROKER_SECONDS = 2.0
_RATE_SECONDS = 5.0
_GRACE_SECONDS = 5.0  # this thread waits for the broker at most so long before it comes by again


@dataclass(frozen=True, kw_only=True)
class Watch:
    """How a worker is watched: after how many seconds without getting on it ends, and where it answers probes."""

    stuck_seconds: float = 60.0
    probes: tuple[str, int] | None = None


class Ends:
    """Asks the broker where partitions end, and whether there is a record to read. All methods block.

    An end alone does not say that there is more to read: markers and aborted records fill offsets as well.
    """

    def __init__(self, kafka: str, group: str) -> None:
        self._consumer = Consumer(
            {
                "bootstrap.servers": kafka,
                "group.id": group,  # never joined
                "enable.auto.commit": False,
                "enable.partition.eof": True,
                "isolation.level": "read_committed",
                "auto.offset.reset": "error",
                "fetch.wait.max.ms": 10,
                "fetch.message.max.bytes": 10_000,
                "queued.min.messages": 1,
                "reconnect.backoff.max.ms": 1_000,
                "log_level": 2,  # or every refused connection is a line, dozens a second; what fails is raised anyway
            },
            logger=logging.getLogger("librdkafka"),
        )

    def close(self) -> None:
        self._consumer.close()

    def end(self, topic: str, partition: int) -> int:
        """Where what may be read ends. Raises KafkaException when the broker does not answer."""
        place = TopicPartition(topic, partition)
        return int(self._consumer.get_watermark_offsets(place, _BROKER_SECONDS, cached=False)[1])

    def unread(self, topic: str, partition: int, offset: int) -> bool:
        """Whether a record can be read at `offset` or after. Raises KafkaException when the broker does not answer."""
        self._consumer.assign([TopicPartition(topic, partition, offset)])
        try:
            message = self._consumer.poll(_BROKER_SECONDS)
        finally:
            self._consumer.unassign()
        if message is None:
            raise KafkaException(KafkaError(KafkaError._TIMED_OUT))
        error = message.error()
        if error is not None and error.code() != KafkaError._PARTITION_EOF:
            raise KafkaException(error)
        return error is None


class Judge:
    """Says of each partition for how long it has stood still although there was more to read, by a given clock."""

    def __init__(self, stuck_seconds: float) -> None:
        self._stuck_seconds = stuck_seconds
        self._since: dict[object, tuple[object, float]] = {}

    def still(self, what: object, where: object, now: float) -> float:
        """For how many seconds `what` has been at the same `where`, by this and the calls before."""
        before, since = self._since.get(what, (None, now))
        if before != where:
            since = now
        self._since[what] = (where, since)
        return now - since

    def excuse(self, what: object) -> None:
        """`what` has nothing to do, or cannot do it: its time begins anew."""
        self._since.pop(what, None)

    def excuse_all(self) -> None:
        """Nobody can do anything: all times begin anew."""
        self._since.clear()

    def is_stuck(self, seconds: float) -> bool:
        return seconds >= self._stuck_seconds


class Watchdog:
    """Writes the worker's health to its file and ends the process once it is stuck. A context manager.

    A partition is stuck when its offset has not moved for `stuck_seconds` although the topic has more to read, a
    worker when it has not joined its group or its tables have not got on loading for as long; the broker must have
    answered all the while. The process then ends with exit code 1, the stack of every thread in its log. Should even
    this thread not run any more (a fold in C that never lets go of the interpreter), it ends as well.
    """

    def __init__(self, kafka: str, group: Group, gauges: Gauges, file: Path, stuck_seconds: float) -> None:
        self._kafka, self._group, self._gauges, self._file = kafka, group, gauges, file
        self._stuck_seconds = stuck_seconds
        self._judge = Judge(stuck_seconds)
        self._read_to: dict[tuple[str, int], tuple[int, int]] = {}  # (offset, end) between which there is no record
        self._counted = (time.monotonic(), 0)
        self._rate = 0.0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="headrace-watchdog", daemon=True)
        self._health = self._made("waiting")

    def __enter__(self) -> "Watchdog":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(2 * _BROKER_SECONDS)
        self._file.unlink(missing_ok=True)

    def health(self) -> Health:
        """The health as it was last seen."""
        return self._health

    def _run(self) -> None:
        ends = Ends(self._kafka, self._group.name)
        try:
            while not self._stop.is_set():
                self._look(ends)
                self._stop.wait(_TICK_SECONDS)
        finally:
            faulthandler.cancel_dump_traceback_later()
            ends.close()

    def _look(self, ends: Ends) -> None:
        self._comes_by()
        self._count()
        try:
            partitions = tuple(self._partition(ends, *place) for place in dict(self._gauges.offsets))
            if not partitions:
                ends.end(self._group.sources[0], 0)
        except KafkaException as error:
            self._judge.excuse_all()
            self._show(self._made(self._gauges.state, f"Kafka: {error.args[0].str()}"))
            return
        reason = self._stuck(partitions)
        self._show(self._made("stuck" if reason else self._gauges.state, reason, partitions))
        if reason:
            _log.error("%s: ending at once: %s", self._group.key, reason)
            faulthandler.dump_traceback()
            os._exit(1)

    def _comes_by(self) -> None:
        # A timer in C, which needs no interpreter: it fires when this thread no longer gets here.
        faulthandler.dump_traceback_later(self._stuck_seconds + _GRACE_SECONDS, exit=True)

    def _partition(self, ends: Ends, topic: str, number: int) -> PartitionHealth:
        self._comes_by()
        gauges, place = self._gauges, (topic, number)
        offset, end = gauges.offsets.get(place, 0), ends.end(topic, number)
        # A chunk that closes many windows is committed in several steps, all with its one offset.
        still = self._judge.still(place, (offset, gauges.commits.get(place, 0)), time.monotonic())
        lag = max(0, end - offset)
        if lag and still >= _TICK_SECONDS:
            if self._read_to.get(place) != (offset, end) and not ends.unread(topic, number, offset):
                self._read_to[place] = (offset, end)
            if self._read_to.get(place) == (offset, end):
                lag = 0
        if not lag:
            self._judge.excuse(place)
            still = 0.0
        return PartitionHealth(
            topic=topic,
            partition=number,
            offset=offset,
            end=end,
            lag=lag,
            position=gauges.positions.get(place, 0),
            held=gauges.held.get(place, 0),
            still=round(still, 1),
        )

    def _stuck(self, partitions: tuple[PartitionHealth, ...]) -> str:
        """Why the worker is stuck; empty when it is not."""
        for each in partitions:
            if self._judge.is_stuck(each.still):
                return (
                    f"partition {each.partition} of {each.topic} has stood at offset {each.offset} for "
                    f"{each.still:.0f} s although {each.lag:,} offsets are to be read"
                )
        gauges = self._gauges
        if gauges.state in ("joining", "loading"):
            still = self._judge.still("worker", (gauges.state, gauges.turns, gauges.loaded), time.monotonic())
            if self._judge.is_stuck(still):
                what = (
                    "joined its group" if gauges.state == "joining" else f"loaded more than {gauges.loaded:,} records"
                )
                return f"the worker has not {what} for {still:.0f} s although Kafka answers"
        else:
            self._judge.excuse("worker")
        return ""

    def _count(self) -> None:
        now = time.monotonic()
        since, events = self._counted
        if now - since >= _RATE_SECONDS:
            self._rate = (self._gauges.events - events) / (now - since)
            self._counted = (now, self._gauges.events)

    def _made(self, state: State, reason: str = "", partitions: tuple[PartitionHealth, ...] = ()) -> Health:
        return Health(
            domain=self._group.key,
            projection=self._group.projection,
            pid=os.getpid(),
            at=time.time(),
            state=state,
            reason=reason,
            rate=round(self._rate, 1),
            loaded=self._gauges.loaded,
            late=self._gauges.late,
            partitions=partitions,
        )

    def _show(self, now: Health) -> None:
        self._health = now
        with suppress(OSError):  # a full disk must not end the work; the file grows old
            health.write(self._file, now)


@contextmanager
def watched(kafka: str, group: Group, gauges: Gauges, data: Path, member: str, watch: Watch) -> Iterator[Watchdog]:
    """Watch the worker while the context lasts, and answer probes if that is wanted. Raises Fatal as `probes`."""
    file = health.path_of(data, group.name, member)
    with ExitStack() as stack:
        watchdog = stack.enter_context(Watchdog(kafka, group, gauges, file, watch.stuck_seconds))
        if watch.probes is not None:
            port = stack.enter_context(probes(watch.probes, watchdog.health))
            _log.info(
                "%s: health is served at http://%s:%d/health/live and /health/ready", group.key, watch.probes[0], port
            )
        yield watchdog
