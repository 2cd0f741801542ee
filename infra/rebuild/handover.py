"""Where a worker goes on behind a fold: the offsets just behind a position."""

import logging

import msgspec
from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition
from msgspec import Struct

from schemas import CONTROL_KEYS, WATERMARK_KEY, Unavailable

_SECONDS = 10.0
_FIRST_STEP = 1_024


class _Placed(Struct):
    position: int


_placed = msgspec.json.Decoder(_Placed)


class Offsets:
    """Finds offsets in an event topic, without joining a group. Blocks; raises Unavailable. Close it."""

    def __init__(self, kafka: str, topic: str) -> None:
        self._topic = topic
        self._consumer = Consumer(
            {
                "bootstrap.servers": kafka,
                "group.id": f"headrace.offsets.{topic}",  # librdkafka wants one; it is not joined
                "enable.auto.commit": False,
                "enable.auto.offset.store": False,
                "enable.partition.eof": True,
                "isolation.level": "read_committed",
                "auto.offset.reset": "error",
                "fetch.wait.max.ms": 20,
                "fetch.queue.backoff.ms": 5,
                "queued.min.messages": 1,
                "queued.max.messages.kbytes": 1_024,
            },
            logger=logging.getLogger("librdkafka"),
        )

    def close(self) -> None:
        """End the consumer."""
        self._consumer.close()

    def behind(self, partition: int, position: int) -> int:
        """The offset before which all records of the partition stand whose position is at most `position`, and none of
        a greater one. All events up to that position must have been published.
        """
        try:
            first, end = self._consumer.get_watermark_offsets(TopicPartition(self._topic, partition), _SECONDS)
            # Positions only grow within a partition, and the one asked for is near its end.
            low, high, step = first, end, _FIRST_STEP
            while high - step > first:
                found = self._at(partition, high - step)
                if found is not None and found[1] <= position:
                    low = found[0] + 1
                    break
                high, step = high - step, step * 4
            while low < high:
                middle = (low + high) // 2
                found = self._at(partition, middle)
                if found is None or found[1] > position:
                    high = middle
                else:
                    low = found[0] + 1
            return low
        except KafkaException as error:
            raise Unavailable(f"Kafka does not answer: {error.args[0].str()}", retry_after=1) from error
        finally:
            self._consumer.unassign()

    def first(self, partition: int) -> int:
        """The offset of the first record that the topic still has."""
        try:
            place = TopicPartition(self._topic, partition)
            return int(self._consumer.get_watermark_offsets(place, _SECONDS)[0])
        except KafkaException as error:
            raise Unavailable(f"Kafka does not answer: {error.args[0].str()}", retry_after=1) from error

    def _at(self, partition: int, offset: int) -> tuple[int, int] | None:
        """Offset and position of the first record from an offset on that has a position; None when there is none."""
        self._consumer.assign([TopicPartition(self._topic, partition, offset)])
        while True:
            message = self._consumer.poll(_SECONDS)
            if message is None:
                raise Unavailable(f"Kafka does not answer: {self._topic} could not be read", retry_after=1)
            error = message.error()
            if error is not None:
                if error.code() == KafkaError._PARTITION_EOF:
                    return None
                if not error.retriable():
                    raise KafkaException(error)
            elif (position := _position(message.key(), message.value())) is not None:
                return message.offset() or 0, position


def _position(key: bytes | None, value: bytes | None) -> int | None:
    if key is None or (key in CONTROL_KEYS and key != WATERMARK_KEY):
        return None
    try:
        return _placed.decode(value or b"").position
    except (msgspec.MsgspecError, RecursionError):
        return None  # no event: the folds quarantine it
