"""Reads what an assigned partition starts from: its committed offset, its rows and its held keys, in bulk."""

import logging
from collections.abc import Callable, Iterable, Mapping, MutableMapping

from confluent_kafka import OFFSET_BEGINNING, OFFSET_INVALID, Consumer, KafkaError, KafkaException, TopicPartition

from schemas import RESERVED_PREFIX, Domain, Fatal, Unavailable

_log = logging.getLogger(__name__)

_RESERVED = RESERVED_PREFIX.encode()
_SECONDS = 10.0


class Loader:
    """A consumer outside of any subscription. Usable as a context manager; all methods block.

    Call it after the partition's former owner has been fenced: only then are offset and changelog settled.
    Methods raise Unavailable when Kafka does not answer or the work was given up.
    """

    def __init__(self, kafka: str, domain: Domain, given_up: Callable[[], bool]) -> None:
        self._domain, self._given_up = domain, given_up
        self._consumer = Consumer(
            {
                "bootstrap.servers": kafka,
                "group.id": domain.worker_app,
                "enable.auto.commit": False,
                "enable.auto.offset.store": False,
                "enable.partition.eof": True,
                "isolation.level": "read_committed",
                "auto.offset.reset": "error",
                "fetch.wait.max.ms": 10,
                "fetch.queue.backoff.ms": 5,
                "queued.max.messages.kbytes": 16_384,
            },
            logger=_log,
        )

    def __enter__(self) -> "Loader":
        return self

    def __exit__(self, *_: object) -> None:
        self._consumer.close()

    def starts(self, partitions: Iterable[int]) -> dict[int, int]:
        """Offset of the events topic at which each partition goes on: the committed one, or the beginning.

        Raises Fatal when the events between were deleted or the topic was made anew.
        """
        topic = self._domain.events_topic
        try:
            committed = self._consumer.committed([TopicPartition(topic, p) for p in partitions], _SECONDS)
            return {c.partition: self._start(c) for c in committed}
        except KafkaException as error:
            raise _unavailable(error) from error

    def _start(self, committed: TopicPartition) -> int:
        first, end = self._consumer.get_watermark_offsets(
            TopicPartition(committed.topic, committed.partition), _SECONDS
        )
        start: int = 0 if committed.offset == OFFSET_INVALID else committed.offset
        if first <= start <= end:
            return start
        raise Fatal(
            f"partition {committed.partition} of {committed.topic} is to be read on from offset {start} but has only "
            f"{first} to {end}: events were deleted or the topic was made anew; rebuild the tables of "
            f"{self._domain.worker_app} from the event store"
        )

    def load(self, into: Mapping[tuple[str, int], MutableMapping[bytes, bytes]]) -> int:
        """Load compacted topic partitions, each up to its end, into mappings; the number of records read.

        Control records are left out, removed keys are removed.
        """
        count = 0
        waiting = set(into)
        try:
            self._consumer.assign([TopicPartition(topic, number, OFFSET_BEGINNING) for topic, number in into])
            while waiting:
                if self._given_up():
                    raise Unavailable("loading the tables was given up")
                for message in self._consumer.consume(10_000, 0.5):
                    error = message.error()
                    place = (str(message.topic()), int(message.partition() or 0))
                    if error is None:
                        count += 1
                        _put(into[place], message.key(), message.value())
                    elif error.code() == KafkaError._PARTITION_EOF:
                        waiting.discard(place)
                    else:
                        raise KafkaException(error)
            self._consumer.unassign()
        except KafkaException as error:
            raise _unavailable(error) from error
        return count


def _put(rows: MutableMapping[bytes, bytes], key: bytes | None, value: bytes | None) -> None:
    if key is None or key.startswith(_RESERVED):
        return
    if value is None:
        rows.pop(key, None)
    else:
        rows[key] = value


def _unavailable(error: KafkaException) -> Unavailable:
    return Unavailable(f"Kafka did not answer while tables were loaded: {error.args[0].str()}", retry_after=1)
