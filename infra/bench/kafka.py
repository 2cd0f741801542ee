"""Kafka for benchmarks: a bare transactional producer, and consumers that note when records could be read."""

import threading
import time
from collections.abc import Sequence
from contextlib import closing
from types import TracebackType
from typing import Any

from confluent_kafka import Consumer, KafkaError, Producer, TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from infra.bench.errors import BenchError
from schemas import CONTENT_TYPE, WATERMARK_KEY

_PATIENCE = 60.0
_HEADERS: list[tuple[str, str | bytes | None]] = [CONTENT_TYPE]
_MARK = b'"position":'


def reader(kafka: str, topic: str, partitions: int, *, ends: bool = False) -> Consumer:
    """A read-committed consumer of all the topic from its beginning; with `ends` it tells the end of each partition."""
    consumer = Consumer(
        {
            "bootstrap.servers": kafka,
            "group.id": f"headrace.bench.{topic}",
            "enable.auto.commit": False,
            "isolation.level": "read_committed",
            "auto.offset.reset": "earliest",
            "enable.partition.eof": ends,
            "fetch.queue.backoff.ms": 5,  # a full queue would stop the fetching for a second
        }
    )
    consumer.assign([TopicPartition(topic, partition, 0) for partition in range(partitions)])
    return consumer


def new_topic(kafka: str, name: str, partitions: int) -> str:
    """Makes a topic; its name."""
    admin = AdminClient({"bootstrap.servers": kafka, "log_level": 3})
    admin.create_topics([NewTopic(name, partitions, 1)], operation_timeout=30)[name].result()
    return name


def remove_topics(kafka: str, names: Sequence[str]) -> None:
    """Removes topics; one that does not exist is no error."""
    admin = AdminClient({"bootstrap.servers": kafka, "log_level": 3})
    for future in admin.delete_topics(list(names), operation_timeout=30).values():
        future.exception()


def last_values(kafka: str, topic: str, partitions: int) -> dict[bytes, bytes]:
    """The last value of each key of a topic, as committed. Raises BenchError when it cannot be read up to its end."""
    found: dict[bytes, bytes] = {}
    waiting = set(range(partitions))
    deadline = time.monotonic() + _PATIENCE
    with closing(reader(kafka, topic, partitions, ends=True)) as consumer:
        while waiting:
            if time.monotonic() > deadline:
                raise BenchError(f"{topic} could not be read up to its end within {_PATIENCE:.0f} s")
            for message in consumer.consume(10_000, 0.2):
                error, key, value = message.error(), message.key() or b"", message.value()
                if error is not None and error.code() == KafkaError._PARTITION_EOF:
                    waiting.discard(message.partition())
                elif error is not None:
                    raise BenchError(f"Kafka does not answer: {error.str()}")
                elif value is None:
                    found.pop(key, None)
                else:
                    found[key] = value
    return found


class BareProducer:
    """A transactional producer and nothing else, with the settings of the relay's."""

    def __init__(self, kafka: str, topic: str) -> None:
        self._topic = topic
        self._producer = Producer(
            {
                "bootstrap.servers": kafka,
                "transactional.id": f"headrace.bench.{topic}",
                "partitioner": "murmur2_random",
                "compression.type": "lz4",
                "linger.ms": 2,
                "batch.size": 1 << 20,
                "queue.buffering.max.messages": 1_000_000,
                "queue.buffering.max.kbytes": 1 << 19,
                "log_level": 3,
            }
        )
        self._producer.init_transactions(_PATIENCE)

    def publish(self, records: Sequence[tuple[bytes, bytes]], source: Consumer | None = None) -> int:
        """Publish keys and values in one transaction, with the offsets of the consumer `source`; how many."""
        produce, topic = self._producer.produce, self._topic
        self._producer.begin_transaction()
        for key, value in records:
            produce(topic, value, key, headers=_HEADERS)
        if source is not None:
            offsets = source.position(source.assignment())
            self._producer.send_offsets_to_transaction(offsets, source.consumer_group_metadata(), _PATIENCE)
        self._producer.commit_transaction(_PATIENCE)
        return len(records)

    def close(self) -> None:
        """End it."""
        self._producer.purge()
        del self._producer


class Arrivals:
    """A thread that notes when the record of each position of a topic arrives."""

    def __init__(self, kafka: str, topic: str, partitions: int) -> None:
        self.moments: dict[int, float] = {}
        self._consumer = reader(kafka, topic, partitions)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="arrivals")

    def __enter__(self) -> "Arrivals":
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, value: object, trace: TracebackType | None) -> None:
        self._stop.set()
        self._thread.join()
        self._consumer.close()

    def wait_for(self, position: int) -> None:
        """Wait until the record of the position is there. Raises BenchError when it does not come."""
        deadline = time.monotonic() + _PATIENCE
        while position not in self.moments:
            if time.monotonic() > deadline:
                raise BenchError(f"the record of position {position} has not come within {_PATIENCE:.0f} s")
            time.sleep(0.002)

    def _run(self) -> None:
        while not self._stop.is_set():
            messages = self._consumer.consume(1000, 0.02)
            now = time.perf_counter()
            for message in messages:
                position = position_of(message)
                if position:
                    self.moments[position] = now


def position_of(message: Any) -> int:
    """The position of an event's record; 0 for a control record."""
    if message.error() is not None:
        raise BenchError(f"Kafka does not answer: {message.error().str()}")
    if message.key() == WATERMARK_KEY:
        return 0
    value: bytes = message.value()
    start = value.index(_MARK) + len(_MARK)
    return int(value[start : start + 20].partition(b",")[0])
