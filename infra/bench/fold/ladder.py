"""The rungs of the ladder: what a worker does with an event, each step alone and by itself as fast as it goes.

All work on the same topic. `consume` and `fetch` read it, by librdkafka and by aiokafka; the others have its first
records in memory.
"""

import asyncio
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from statistics import median
from typing import Any, NamedTuple, cast

from aiokafka import AIOKafkaConsumer, TopicPartition

from infra.bench.errors import BenchError
from infra.bench.fold.domain import FOLDS, PARTITIONS
from infra.bench.fold.drain import processor_time
from infra.bench.fold.input import Input
from infra.bench.frame import Sample, uncollected
from infra.bench.kafka import BareProducer, reader
from schemas import Domain, envelope_decoder
from streams.changes import Changes
from streams.folding import Folder

KEPT = 200_000
_CHUNK = 5_000
_SECONDS = 10.0
_LEAST = 0.05
Steps = Callable[[], Iterator[int]]


class Record(NamedTuple):
    """A record of the events topic in memory."""

    key: bytes
    value: bytes
    offset: int


class Rung:
    """Runs steps until its time is up: an iterator that is ready with its first item, and then answers each time how
    many events that step was."""

    def __init__(self, steps: Steps) -> None:
        self._steps = steps

    def run(self, seconds: float) -> Sample:
        steps, count = self._steps(), 0
        next(steps)
        with uncollected():
            began, cpu = time.perf_counter(), time.process_time()
            for done in steps:
                count += done
                if time.perf_counter() > began + max(seconds, _LEAST):
                    break
            duration, cpu = time.perf_counter() - began, time.process_time() - cpu
        steps.close()  # type: ignore[attr-defined]  # they are generators
        return Sample(count, duration, notes={"cpu_us_per_1000": cpu * 1e9 / count})


class Ladder:
    """The rungs on the topic of `source`, which is filled with what they need."""

    def __init__(self, kafka: str, domain: Domain, source: Input, changelog: str) -> None:
        """`changelog` is an empty topic with the domain's partitions."""
        self._kafka, self._domain, self._source, self._changelog = kafka, domain, source, changelog

    def rungs(self) -> dict[str, Rung]:
        """The rungs by name."""
        self._source.fill(KEPT)
        chunks = _chunks(self._kafka, self._source.topic)
        return {
            "consume": Rung(self._consume),
            "fetch (aiokafka)": Rung(self._fetch),
            "decode": Rung(lambda: _decode(self._domain, chunks)),
            "decode, fold, encode": Rung(lambda: _fold(self._domain, chunks)),
            "changelog": Rung(lambda: self._produce([changes for changes, _ in _changes(self._domain, chunks)])),
        }

    def _consume(self) -> Iterator[int]:
        with closing(reader(self._kafka, self._source.topic, PARTITIONS)) as consumer:
            left = self._source.count - len(_read(consumer, 1))
            yield 0
            while left > 0:
                done = len(_read(consumer, min(left, 10_000)))
                left -= done
                yield done

    def _fetch(self) -> Iterator[int]:
        places = [TopicPartition(self._source.topic, number) for number in range(PARTITIONS)]
        with asyncio.Runner() as loop:
            consumer = loop.run(_aiokafka(self._kafka, places))
            try:
                left = self._source.count - 1
                loop.run(consumer.getone())
                yield 0
                while left > 0:
                    done = loop.run(_fetched(consumer))
                    left -= done
                    yield done
            finally:
                loop.run(consumer.stop())

    def _produce(self, chunks: Sequence[Changes]) -> Iterator[int]:
        with closing(BareProducer(self._kafka, self._changelog)) as producer:
            yield 0
            while True:
                for changes in chunks:
                    producer.publish([(key, value or b"") for key, value in changes.rows[0].items()])
                    yield changes.events


def shares(samples: Mapping[str, Sequence[Sample]]) -> dict[str, Any]:
    """`us_per_1000`: microseconds that a 1000 events take on each rung and in the worker as a whole; and the processor
    time of the same."""
    rates = {name: median(sample.rate for sample in each) for name, each in samples.items()}
    return {"us_per_1000": {name: round(1e9 / rate) for name, rate in rates.items()}, **processor_time(samples)}


async def _aiokafka(kafka: str, places: list[TopicPartition]) -> AIOKafkaConsumer:
    """A consumer with the settings of the worker's."""
    consumer = AIOKafkaConsumer(
        bootstrap_servers=kafka,
        enable_auto_commit=False,
        isolation_level="read_committed",
        auto_offset_reset="earliest",
        max_partition_fetch_bytes=1 << 20,
        check_crcs=True,
    )
    await consumer.start()
    consumer.assign(places)
    return consumer


async def _fetched(consumer: AIOKafkaConsumer) -> int:
    found = await consumer.getmany(timeout_ms=int(_SECONDS * 1000), max_records=4 * _CHUNK)
    if not found:
        raise BenchError("aiokafka got no more records")
    return sum(map(len, found.values()))


def _read(consumer: Any, count: int) -> list[Any]:
    messages = consumer.consume(count, _SECONDS)
    if not messages or any(message.error() for message in messages):
        raise BenchError("Kafka does not answer")
    return list(messages)


def _chunks(kafka: str, topic: str) -> list[list[Record]]:
    """The first records of the topic, in chunks as a worker folds them."""
    found: list[list[Record]] = [[] for _ in range(PARTITIONS)]
    left = KEPT
    with closing(reader(kafka, topic, PARTITIONS)) as consumer:
        while left > 0:
            for message in _read(consumer, min(left, 10_000)):
                found[message.partition()].append(Record(message.key(), message.value(), message.offset()))
                left -= 1
    return [
        records[start : start + _CHUNK]
        for start in range(0, max(map(len, found)), _CHUNK)
        for records in found
        if records[start : start + _CHUNK]
    ]


def _decode(domain: Domain, chunks: list[list[Record]]) -> Iterator[int]:
    decode = envelope_decoder(domain).decode
    yield 0
    while True:
        for chunk in chunks:
            for record in chunk:
                decode(record.value)
            yield len(chunk)


def _fold(domain: Domain, chunks: list[list[Record]]) -> Iterator[int]:
    yield 0
    while True:
        for _, done in _changes(domain, chunks):
            yield done


def _changes(domain: Domain, chunks: list[list[Record]]) -> Iterator[tuple[Changes, int]]:
    """Fold all chunks over an empty table in memory."""
    folder = Folder(domain, FOLDS)
    rows: dict[bytes, bytes] = {}
    for chunk in chunks:
        changes = folder.run(chunk, [rows])
        rows.update(cast(dict[bytes, bytes], changes.rows[0]))  # this fold removes no row
        yield changes, changes.events
