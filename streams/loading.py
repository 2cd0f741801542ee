"""Reads what an assigned partition starts from: its committed offset, its rows and its held keys, in bulk."""

import logging
import time
from collections.abc import Callable, Iterable, Mapping, MutableMapping

import msgspec
from confluent_kafka import OFFSET_BEGINNING, OFFSET_INVALID, Consumer, KafkaError, KafkaException, TopicPartition

from schemas import WATERMARK_KEY, Control, Domain, Fatal, Unavailable

Place = tuple[str, int]  # topic and partition
_control_decoder = msgspec.json.Decoder(Control)
_SECONDS = 10.0
_SILENCE_SECONDS = 30.0


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
                "queued.max.messages.kbytes": 32_768,
                "fetch.message.max.bytes": 4_000_000,
            },
            logger=logging.getLogger("librdkafka"),
        )

    def __enter__(self) -> "Loader":
        return self

    def __exit__(self, *_: object) -> None:
        self._consumer.close()

    def committed(self, partitions: Iterable[int]) -> dict[int, int]:
        """Committed offset of the events topic of each partition; 0 where nothing was committed yet."""
        topic = self._domain.events_topic
        try:
            found = self._consumer.committed([TopicPartition(topic, p) for p in partitions], _SECONDS)
        except KafkaException as error:
            raise _unavailable(error) from error
        return {place.partition: 0 if place.offset == OFFSET_INVALID else place.offset for place in found}

    def check(self, partition: int, start: int) -> None:
        """Raise Fatal unless the events topic can be read from `start` without a gap."""
        place = TopicPartition(self._domain.events_topic, partition)
        try:
            first, end = self._consumer.get_watermark_offsets(place, _SECONDS)
        except KafkaException as error:
            raise _unavailable(error) from error
        if not first <= start <= end:
            raise Fatal(
                f"partition {partition} of {place.topic} is to be read from offset {start} but has only {first} to "
                f"{end}: events were deleted or the topic was made anew; rebuild the tables of "
                f"{self._domain.worker_app} from the event store"
            )

    def load(self, into: Mapping[Place, MutableMapping[bytes, bytes]]) -> dict[Place, int]:
        """Load compacted topic partitions, each up to its end, into mappings.

        Answers with the position up to which each is complete, 0 where no record says so. Removed keys are removed.
        """
        marks = dict.fromkeys(into, 0)
        waiting = set(into)
        try:
            self._consumer.list_topics(timeout=_SECONDS)  # or the first fetch waits a second for metadata
            self._consumer.assign([TopicPartition(topic, number, OFFSET_BEGINNING) for topic, number in into])
            progress = time.monotonic()
            while waiting:
                if self._given_up() or time.monotonic() > progress + _SILENCE_SECONDS:
                    raise Unavailable(
                        "loading the tables was given up: Kafka did not answer, or another rebalance came"
                    )
                for message in self._consumer.consume(10_000, 0.05):
                    progress = time.monotonic()
                    error = message.error()
                    place = (str(message.topic()), int(message.partition() or 0))
                    if error is None:
                        key, value = message.key(), message.value()
                        if key == WATERMARK_KEY:
                            marks[place] = _control_decoder.decode(value or b"").position
                        elif key is not None:
                            _put(into[place], key, value)
                    elif error.code() == KafkaError._PARTITION_EOF:
                        waiting.discard(place)
                    else:
                        raise KafkaException(error)
            self._consumer.unassign()
        except KafkaException as error:
            raise _unavailable(error) from error
        return marks


def _put(rows: MutableMapping[bytes, bytes], key: bytes, value: bytes | None) -> None:
    if value is None:
        rows.pop(key, None)
    else:
        rows[key] = value


def _unavailable(error: KafkaException) -> Unavailable:
    return Unavailable(f"Kafka did not answer while tables were loaded: {error.args[0].str()}", retry_after=1)
