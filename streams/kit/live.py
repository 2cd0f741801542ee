"""The same history through real Kafka: folded by a real worker, or replayed from the topic."""

import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path

from confluent_kafka import Producer
from msgspec import UNSET

from schemas import CONTENT_TYPE, Control, Unavailable
from streams.group import Group
from streams.kit.history import Given, Tables
from streams.kit.memory import Partition, Record, control, event, mark_of
from streams.loading import Loader
from streams.replay import KafkaSource, fold_partition
from streams.stores import StoreKind
from streams.worker import work

_SECONDS = 60.0
_PAUSE = 0.1


def live(history: Given, kafka: str, data: Path, *, workers: int = 1, store: StoreKind = "memory") -> Tables:
    """The tables, in bytes, as a real worker writes them to their topics, which must exist and be empty.

    `kafka` are bootstrap servers, `data` is a directory for the worker's identity and its tables in RocksDB, if `store`
    says so. The history comes in as many parts as there are `workers`: each is ended when its part is folded, and the
    next begins with what it has written.
    Raises Unavailable when a worker does not get to the end in a minute, and what ends a worker before its time.
    """
    events, tables = history.events, history.tables([])
    for number in range(workers):
        part = events[len(events) * number // workers : len(events) * (number + 1) // workers]
        if part:
            publish(history, kafka, [event(envelope) for envelope in part], control(part[-1]))
            tables = worked(history, kafka, data, part[-1].position, store)
    return tables


def worked(history: Given, kafka: str, data: Path, position: int, store: StoreKind = "memory") -> Tables:
    """As `live`, with the history's folds and one worker, of what stands on the events topic up to a position."""
    with _working(history, kafka, data, store) as failures:
        return _written(history, kafka, position, failures)


def replayed(history: Given, kafka: str, mark: Control | None = None) -> Tables:
    """The tables, in bytes, folded anew from what stands on the events topic, without a worker: up to `mark`, or up to
    the last of the history's events.
    """
    domain = history.domain
    mark = mark or mark_of(history.events[-1])
    with closing(KafkaSource(kafka, domain.events_topic)) as source:
        numbers = range(domain.partitions)
        return history.tables([fold_partition(history.folder, source, number, mark) for number in numbers])


def publish(history: Given, kafka: str, events: Sequence[Record], upto: Record) -> None:
    """Put records on the events topic, and a control record on each of its partitions.

    Raises Unavailable when Kafka does not take them.
    """
    producer = Producer({"bootstrap.servers": kafka, "partitioner": "murmur2_random", "enable.idempotence": True})
    topic = history.domain.events_topic
    for key, value, _ in events:
        producer.produce(topic, value, key, headers=[CONTENT_TYPE])
        producer.poll(0)
    for number in range(history.domain.partitions):
        producer.produce(topic, upto.value, upto.key, number, headers=[CONTENT_TYPE])
    if producer.flush(_SECONDS):
        raise Unavailable("Kafka did not take the events")


@contextmanager
def _working(history: Given, kafka: str, data: Path, store: StoreKind) -> Iterator[list[BaseException]]:
    """A worker in a thread; what ended it stands in the list."""
    stop, failures = threading.Event(), list[BaseException]()

    def run() -> None:
        try:
            work(history.domain, history.folds, kafka, data, stop, store=store)
        except BaseException as error:
            failures.append(error)

    thread = threading.Thread(target=run, name=history.domain.worker_app)
    thread.start()
    try:
        yield failures
    finally:
        stop.set()
        thread.join()


def _written(history: Given, kafka: str, position: int, failures: Sequence[BaseException]) -> Tables:
    """What stands on the tables' topics, once every partition of each is complete up to `position`."""
    group = Group.of(history.domain, history.folder.aggregates)
    domain, deadline = history.domain, time.monotonic() + _SECONDS
    topics = [domain.aggregate_topic(domain.aggregate(name)) for name in history.names]
    while time.monotonic() < deadline and not failures:
        partitions = [Partition(history.folder) for _ in range(domain.partitions)]
        into = {(topic, p): one.rows[i] for i, topic in enumerate(topics) for p, one in enumerate(partitions)}
        with Loader(kafka, group, lambda: False, lambda _: None) as loader:
            marks = loader.load(into)
        if all(mark and mark.position >= position and mark.closed is UNSET for mark in marks.values()):
            return history.tables(partitions)
        time.sleep(_PAUSE)
    if failures:
        raise failures[0]
    raise Unavailable(f"the worker did not get to position {position} in {_SECONDS:.0f} s")
