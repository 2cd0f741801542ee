"""Committed records of a topic's partitions, in batches, with the places where they end."""

import logging
from collections.abc import Generator, Iterator, Mapping, Sequence
from itertools import groupby
from operator import itemgetter
from typing import Any, cast

import msgspec
from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from schemas import CONTROL_KEYS, WATERMARK_KEY, Control, Unavailable

_TIMEOUT = 30.0
_BATCH = 10_000
_WAIT_SECONDS = 0.1
_MORE_SECONDS = 0.005
# From so few records on it is faster to read them than to halve their number.
_FEW = 4_000

# Key, value, offset.
Record = tuple[bytes | None, bytes | None, int]
# Records by partition, and ends of partitions that were met.
Batch = tuple[dict[int, list[Record]], dict[int, int]]


class _Position(msgspec.Struct):
    """Of an envelope or a control record the one field that both have."""

    position: int


_position = msgspec.json.Decoder(_Position).decode


class Records:
    """A consumer of one topic outside of any group. Usable as a context manager.

    Methods raise Unavailable when Kafka does not answer.
    """

    def __init__(self, kafka: str, topic: str, partitions: int) -> None:
        self.topic, self.partitions = topic, partitions
        self._consumer = Consumer(
            {
                "bootstrap.servers": kafka,
                "group.id": "headrace.audit",  # librdkafka wants one; it is not joined
                "enable.auto.commit": False,
                "enable.auto.offset.store": False,
                "enable.partition.eof": True,
                "isolation.level": "read_committed",
                "auto.offset.reset": "error",
                "fetch.wait.max.ms": 50,
                "queued.max.messages.kbytes": 32_768,
            },
            logger=logging.getLogger("librdkafka"),
        )

    def __enter__(self) -> "Records":
        return self

    def __exit__(self, *_: object) -> None:
        self._consumer.close()

    def bounds(self) -> dict[int, tuple[int, int]]:
        """The first offset of each partition, and the one after its last record."""
        try:
            found = {
                n: self._consumer.get_watermark_offsets(TopicPartition(self.topic, n), _TIMEOUT)
                for n in range(self.partitions)
            }
        except KafkaException as error:
            raise _unavailable(error) from error
        return {number: (first, end) for number, (first, end) in found.items()}

    def read(self, starts: Mapping[int, int]) -> Generator[Batch, None, None]:
        """Batches from these offsets on, without end: records by partition, and the ends that were met since.

        An end is an offset at which the partition has no more by now. Both are empty when nothing comes for a while.
        """
        self._consumer.assign([TopicPartition(self.topic, number, offset) for number, offset in starts.items()])
        try:
            while True:
                first = self._consumer.consume(1, _WAIT_SECONDS)
                yield self._take(first + self._consumer.consume(_BATCH, _MORE_SECONDS) if first else first)
        except KafkaException as error:
            raise _unavailable(error) from error
        finally:
            self._consumer.unassign()

    def _take(self, messages: Sequence[Message]) -> Batch:
        ends: dict[int, int] = {}
        good = []
        for message, error in zip(messages, map(Message.error, messages), strict=True):
            if error is None:
                good.append(message)
            elif error.code() == KafkaError._PARTITION_EOF:
                ends[cast(int, message.partition())] = cast(int, message.offset())
            elif error.code() == KafkaError._AUTO_OFFSET_RESET:
                raise Unavailable(f"{self.topic} was trimmed while it was read: audit again", retry_after=1)
            elif error.fatal() or not error.retriable():
                raise KafkaException(error)
        records: dict[int, list[Record]] = {}
        rows = zip(map(Message.key, good), map(Message.value, good), map(Message.offset, good), strict=True)
        for number, run in groupby(zip(map(Message.partition, good), rows, strict=True), itemgetter(0)):
            records.setdefault(cast(int, number), []).extend(cast(Any, map(itemgetter(1), run)))
        return records, ends

    def whole(self, starts: Mapping[int, int]) -> Iterator[tuple[int, list[Record]]]:
        """The records from these offsets on up to where each partition ends by now."""
        ends = {number: end for number, (_, end) in self.bounds().items()}
        open_ = {number for number, start in starts.items() if start < ends[number]}
        batches = self.read({number: starts[number] for number in open_})
        while open_:
            records, met = next(batches)
            yield from records.items()
            done = {number for number, run in records.items() if run[-1][2] >= ends[number] - 1}
            open_ -= done | {number for number, at in met.items() if at >= ends[number]}
        batches.close()

    def between(self, extents: Mapping[int, tuple[int, int]]) -> Iterator[tuple[int, Record]]:
        """The records from one offset of a partition to another, both among them."""
        open_ = dict(extents)
        batches = self.read({number: first for number, (first, _) in extents.items()})
        while open_:
            records, met = next(batches)
            for number, run in records.items():
                if number in open_:
                    yield from ((number, record) for record in run if record[2] <= open_[number][1])
                    if run[-1][2] >= open_[number][1]:
                        del open_[number]
            for number, at in met.items():
                if number in open_ and at > open_[number][1]:
                    del open_[number]
        batches.close()

    def offset_after(self, number: int, position: int, first: int, end: int) -> int:
        """An offset from which on a partition's records reach beyond a position; few before it are read for nothing."""
        while end - first > _FEW:
            middle = (first + end) // 2
            found = next((at for at in self._positions(number, middle, end)), None)
            if found is not None and found <= position:
                first = middle
            else:
                end = middle
        return first

    def _positions(self, number: int, start: int, end: int) -> Iterator[int]:
        for _, (key, value, offset) in self.between({number: (start, end - 1)}):
            at = position_of(key, value)
            if at is not None and offset >= start:
                yield at


def position_of(key: bytes | None, value: bytes | None) -> int | None:
    """The position that a record of an events topic speaks of; None for one that speaks of none."""
    if key in CONTROL_KEYS and key != WATERMARK_KEY:
        return None
    try:
        return int(_position(value or b"").position)
    except msgspec.MsgspecError:
        return None


def mark_of(value: bytes | None) -> int:
    """The position of a watermark record, 0 where it cannot be read."""
    try:
        return msgspec.json.decode(value or b"", type=Control).position
    except msgspec.MsgspecError:
        return 0


def _unavailable(error: KafkaException) -> Unavailable:
    return Unavailable(f"Kafka: {error.args[0].str()}", retry_after=1)
