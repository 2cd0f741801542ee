"""What the folds of a domain could not fold, read from its topics, and requests to fold it anew."""

import time
import uuid
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, KafkaException, Message, Producer, TopicPartition
from msgspec import Struct

from producers.relay.partitioner import partition_of
from schemas import REFOLD_KEY, RESERVED_PREFIX, Domain, Refold, Unavailable, encode
from streams.failures import Held, read_held

_TIMEOUT = 10.0


class HeldKey(Struct, frozen=True):
    """A partition key that is held, on which partition, and why."""

    key: str
    partition: int
    held: Held


class Letter(Struct, frozen=True):
    """A dead letter. `partition` and `offset` (-1: it was read from the event store) are those of the events topic."""

    key: str | None
    partition: int
    offset: int
    position: int
    event_id: str
    error: str
    stack: str
    value: bytes | None

    @property
    def quarantined(self) -> bool:
        """Whether it holds no key: nobody can say what the record belongs to."""
        return self.key is None or self.key.startswith(RESERVED_PREFIX)


class Answer(Struct, frozen=True):
    """What became of a refold: the key is released, or still held with this error."""

    key: str
    released: bool
    error: str = ""


class DeadLetters:
    """Reads the held keys and dead letters of one domain. Methods block and raise Unavailable when Kafka is away."""

    def __init__(self, kafka: str, domain: Domain) -> None:
        self._kafka, self._domain = kafka, domain

    def held(self) -> list[HeldKey]:
        """The keys that are held, in order."""
        found: dict[tuple[bytes, int], Held | None] = {}
        for message in self._read(self._domain.held_topic):
            key, value = message.key() or b"", message.value()
            found[key, message.partition() or 0] = None if value is None else read_held(value)
        keys = [HeldKey(_text(key), number, held) for (key, number), held in found.items() if held is not None]
        return sorted(keys, key=lambda each: each.key)

    def letters(self) -> Iterator[Letter]:
        """All dead letters, those of one key in the order in which they were written."""
        return map(self._letter, self._read(self._domain.dead_letters_topic))

    def _letter(self, message: Message) -> Letter:
        headers = {name: _text(value) for name, value in _headers(message).items()}
        key, number = message.key(), message.partition() or 0
        return Letter(
            key=None if key is None else _text(key),
            partition=number,
            offset=int(headers["offset"]),
            position=int(headers["position"]),
            event_id=headers["event-id"],
            error=headers["error"],
            stack=headers["stack"],
            value=message.value(),
        )

    def value(self, letter: Letter) -> bytes | None:
        """The record's bytes; those of a record that is too large for a dead letter are in the events topic."""
        if letter.value is not None or letter.offset < 0:
            return letter.value
        with self._consumer() as consumer:
            consumer.assign([TopicPartition(self._domain.events_topic, letter.partition, letter.offset)])
            message = consumer.poll(_TIMEOUT)
            if message is None or message.error() is not None or message.offset() != letter.offset:
                return None
            return message.value()

    def refold(
        self, keys: Iterable[str], seconds: float, show: Callable[[Answer], None], of: Sequence[Domain] = ()
    ) -> list[str]:
        """Ask the workers to fold keys anew; `show` gets each answer. Answers the keys without one in this time.

        The workers of all versions of the folds do it; those of this one, or of the versions `of`, are waited for. A
        request stands once it was sent, whether or not its answer is waited for.
        """
        requests = {uuid.uuid4().hex: key for key in keys}
        topics = [version.held_topic for version in of or [self._domain]]
        numbers = {partition_of(key.encode(), self._domain.partitions) for key in requests.values()}
        with self._consumer() as consumer:
            ends = []
            for place in [TopicPartition(topic, number) for topic in topics for number in numbers]:
                end = consumer.get_watermark_offsets(place, _TIMEOUT)[1]
                ends.append(TopicPartition(place.topic, place.partition, end))
            consumer.assign(ends)
            self._send(requests)
            waiting = {(topic, key.encode()) for topic in topics for key in requests.values()}
            begun = set[tuple[str, bytes]]()
            until = time.monotonic() + seconds
            while waiting and time.monotonic() < until:
                message = consumer.poll(0.1)
                if message is None or message.error() is not None:
                    continue
                asked, value = (message.topic() or "", message.key() or b""), message.value()
                held = None if value is None else read_held(value)
                if held is not None and held.due:
                    begun.add(asked)
                elif asked in waiting and asked in begun:
                    waiting.remove(asked)
                    show(Answer(_text(asked[1]), held is None, "" if held is None else held.error))
            return sorted({_text(key) for _, key in waiting})

    def has_reached(self, key: str, position: int) -> bool:
        """Whether the key's worker is at that position already: what is ahead of it cannot be skipped."""
        number = partition_of(key.encode(), self._domain.partitions)
        place = TopicPartition(self._domain.events_topic, number)
        consumer = Consumer({"bootstrap.servers": self._kafka, "group.id": self._domain.worker_app})
        try:
            [committed] = consumer.committed([place], _TIMEOUT)
        except KafkaException as error:
            raise Unavailable(f"Kafka does not answer: {error.args[0].str()}", retry_after=1) from error
        finally:
            consumer.close()
        return int(committed.metadata or 0) >= position

    def _send(self, requests: dict[str, str]) -> None:
        producer = Producer(
            {"bootstrap.servers": self._kafka, "enable.idempotence": True, "message.timeout.ms": 10_000}
        )
        failures: list[KafkaError] = []
        for request, key in requests.items():
            producer.produce(
                self._domain.events_topic,
                encode(Refold(id=request, key=key)),
                REFOLD_KEY,
                partition_of(key.encode(), self._domain.partitions),
                on_delivery=lambda error, _: failures.append(error) if error else None,
            )
        if producer.flush(15) or failures:
            raise Unavailable(f"Kafka did not take the request: {failures[0].str() if failures else 'no answer'}")

    def _read(self, topic: str) -> Iterator[Message]:
        """All committed records of a topic up to its present end."""
        waiting = set(range(self._domain.partitions))
        with self._consumer() as consumer:
            consumer.assign([TopicPartition(topic, number, OFFSET_BEGINNING) for number in waiting])
            progress = time.monotonic()
            while waiting:
                for message in consumer.consume(1_000, 0.02):
                    error, progress = message.error(), time.monotonic()
                    if error is None:
                        yield message
                    elif error.code() == KafkaError._PARTITION_EOF:
                        waiting.discard(message.partition() or 0)
                    else:
                        raise KafkaException(error)
                if time.monotonic() > progress + _TIMEOUT:
                    raise Unavailable(f"Kafka does not answer: {topic} could not be read", retry_after=1)

    @contextmanager
    def _consumer(self) -> Iterator[Consumer]:
        consumer = Consumer(
            {
                "bootstrap.servers": self._kafka,
                "group.id": f"{self._domain.worker_app}.letters",
                "enable.auto.commit": False,
                "enable.partition.eof": True,
                "isolation.level": "read_committed",
                # Most of these partitions are empty: how long a fetch of nothing takes is how long a command takes.
                "fetch.wait.max.ms": 20,
                "fetch.queue.backoff.ms": 5,
            }
        )
        try:
            yield consumer
        except KafkaException as error:
            raise Unavailable(f"Kafka does not answer: {error.args[0].str()}", retry_after=1) from error
        finally:
            consumer.close()


def _headers(message: Message) -> dict[str, bytes]:
    return {name: value for name, value in dict(message.headers() or []).items() if isinstance(value, bytes)}


def _text(value: bytes) -> str:
    return value.decode(errors="backslashreplace")
