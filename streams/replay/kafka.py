"""The history as it stands on the event topic, read in bulk."""

import logging
from collections.abc import Generator, Iterator, Sequence
from contextlib import suppress
from functools import partial
from typing import Any, TypeVar, cast

import msgspec
from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition
from msgspec import Struct

from schemas import WATERMARK_KEY, Fatal, Unavailable
from streams.changes import AnyRecord, Record

R = TypeVar("R", bound=AnyRecord)
_BATCH = 50_000
_BATCH_SECONDS = 0.05
_SECONDS = 10.0
_SILENT_BATCHES = 600


class Trimmed(Fatal):
    """The topic does not begin with its first record: another source must have the events before."""


class _Event(Struct, gc=False):
    """What an event's envelope has and a record of somebody else hardly: its place."""

    position: int
    sequence: int
    partitionkey: str
    hash: str


class _Mark(Struct, gc=False):
    position: int


_event, _mark = msgspec.json.Decoder(_Event).decode, msgspec.json.Decoder(_Mark).decode
_record = cast(Any, partial(tuple.__new__, Record))


class KafkaSource:
    """The records of a domain's event topic, from offset 0 on, without joining a group. Blocks.

    What the topic does not have yet is not waited for: after a read, all events of the partition up to the position
    `reached`, and no others, were read.
    """

    def __init__(self, kafka: str, topic: str) -> None:
        self._topic, self.reached = topic, 0
        self._consumer = Consumer(
            {
                "bootstrap.servers": kafka,
                "group.id": f"headrace.replay.{topic}",  # librdkafka wants one; it is not joined
                "enable.auto.commit": False,
                "enable.auto.offset.store": False,
                "enable.partition.eof": True,
                "isolation.level": "read_committed",
                "auto.offset.reset": "error",
                "check.crcs": True,
                "fetch.wait.max.ms": 50,
                "fetch.queue.backoff.ms": 5,
                "fetch.message.max.bytes": 8_000_000,
                "queued.max.messages.kbytes": 65_536,
                "reconnect.backoff.max.ms": 1_000,
            },
            logger=logging.getLogger("librdkafka"),
        )

    def close(self) -> None:
        """End the consumer."""
        self._consumer.close()

    def first(self, partition: int) -> int:
        """The offset of the first record that the topic still has. Raises Unavailable."""
        try:
            return int(self._consumer.get_watermark_offsets(TopicPartition(self._topic, partition), _SECONDS)[0])
        except KafkaException as error:
            raise _unavailable(error.args[0]) from error

    def read(self, partition: int, upto: int) -> Iterator[Sequence[AnyRecord]]:
        """The records of a partition up to a position. Raises Trimmed when its first ones were deleted."""
        if first := self.first(partition):
            raise Trimmed(
                f"partition {partition} of {self._topic} begins at offset {first}: its first events were deleted, "
                "read them from the archive or the event store"
            )
        yield from self.tail(partition, 0, upto)

    def tail(self, partition: int, offset: int, upto: int) -> Generator[Sequence[AnyRecord], None, None]:
        """The records of a partition from an offset on, up to a position or the end of the topic."""
        self.reached = 0
        self._consumer.assign([TopicPartition(self._topic, partition, offset)])
        try:
            ended = False
            while not ended:
                messages, ended = self._next()
                records, reached = before(messages, upto)
                self.reached = max(self.reached, min(reached, upto))
                ended = ended or reached >= upto
                if records:
                    yield records
        finally:
            with suppress(RuntimeError):  # who gives up a read may have closed the source already
                self._consumer.unassign()

    def _next(self) -> tuple[list[Record], bool]:
        """The next records, and whether the partition ends with them."""
        for _ in range(_SILENT_BATCHES):
            messages = self._consumer.consume(_BATCH, _BATCH_SECONDS)
            if messages:
                return self._records(messages)
        raise Unavailable(f"Kafka does not answer: {self._topic} could not be read", retry_after=1)

    def _records(self, messages: Sequence[Message]) -> tuple[list[Record], bool]:
        ended = False
        if any(map(Message.error, messages)):
            ended = any(map(_is_end, messages))
            messages = [message for message in messages if message.error() is None]
        # Methods are called by map and not one by one: this is done for every record.
        parts = zip(
            map(Message.key, messages), map(Message.value, messages), map(Message.offset, messages), strict=True
        )
        return list(map(_record, parts)), ended


def before(records: Sequence[R], upto: int) -> tuple[Sequence[R], int]:
    """The records up to a position, and the last position that was found, be it beyond that; 0 for none.

    Positions only grow within a partition. A record without one (a request for a refold, or no event at all) goes with
    those before it.
    """
    found, last = 0, len(records)
    for number in range(len(records), 0, -1):
        position = _position(records[number - 1])
        if position is None:
            continue
        found = found or position
        if position <= upto:
            break
        last = number - 1
    return records if last == len(records) else records[:last], found


def _position(record: AnyRecord) -> int | None:
    key, value, _ = record
    try:
        if key == WATERMARK_KEY:
            return _mark(value or b"").position
        event = _event(value or b"")
    except (msgspec.MsgspecError, RecursionError):
        return None
    return event.position if event.partitionkey.encode() == key else None


def _is_end(message: Message) -> bool:
    error = message.error()
    if error is None:
        return False
    if error.code() == KafkaError._PARTITION_EOF:
        return True
    if error.retriable() or error.code() in (KafkaError._TRANSPORT, KafkaError._ALL_BROKERS_DOWN):
        return False  # it is waited for
    raise _unavailable(error)


def _unavailable(error: KafkaError) -> Unavailable:
    return Unavailable(f"reading the events failed: {error.str()}", retry_after=1)
