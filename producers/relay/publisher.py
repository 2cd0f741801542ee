"""Publishes events to Kafka: one transaction for a batch, its control records and its checkpoint."""

import logging
from collections.abc import Sequence
from types import TracebackType

import msgspec
from confluent_kafka import Consumer, KafkaError, KafkaException, Producer, TopicPartition

from producers.relay.partitioner import partition_of
from producers.relay.records import Checkpoint, Row, control
from producers.relay.routing import Routes
from producers.relay.turns import Turns
from schemas import CONTENT_TYPE, WATERMARK_KEY, Domain, Unavailable, encode, reach

log = logging.getLogger(__name__)

_HEADERS: list[tuple[str, str | bytes | None]] = [CONTENT_TYPE]
RELAY = b"relay"
_SECONDS = 15.0


class Publisher:
    """The two transactional producers of a domain, in turn. Making it fences others and settles what those left open.

    Every method raises Unavailable when the broker does not answer, or when another relay has taken over: then a
    transaction under way may have been committed or not, and a new object, which reads the checkpoint, knows.
    """

    def __init__(self, kafka: str, domain: Domain) -> None:
        self._kafka = kafka
        self._domain = domain
        self._routes = Routes(domain, [route.name for route in domain.routes])
        self._route_keys = [route_key(route.name) for route in domain.routes]
        self._lost: KafkaError | None = None
        try:
            self._turns = Turns(kafka, domain.relay_transactional_ids, _SECONDS, self._note)
        except KafkaException as error:
            raise _unavailable(error) from error
        self._lost = None

    def __enter__(self) -> "Publisher":
        return self

    def __exit__(self, kind: type[BaseException] | None, value: object, trace: TracebackType | None) -> None:
        self._turns.close()

    def check(self) -> None:
        """Raise Unavailable when the broker was lost since this object was made.

        A broker that dies within milliseconds of a commit may not have written the commit's markers, and does not do
        it by itself: readers wait for that batch until a new object of this class settles it. While events flow the
        next transaction does that; whoever has nothing to publish must look.
        """
        self._turns.poll()
        if self._lost is not None:
            raise Unavailable(
                f"Kafka was lost while there was nothing to publish: {self._lost.str()}", rule="kafka-unavailable"
            )

    def _note(self, error: KafkaError) -> None:
        self._lost = error

    def checkpoints(self) -> dict[bytes, Checkpoint]:
        """How far the domain is published, under `RELAY`, and each of its routes, under `route_key`."""
        consumer = Consumer(
            {
                "bootstrap.servers": self._kafka,
                "group.id": self._domain.relay_transactional_ids[0],
                "enable.auto.commit": False,
                "isolation.level": "read_committed",
                "enable.partition.eof": True,
                "auto.offset.reset": "earliest",
            },
            logger=log,
        )
        topic = self._domain.checkpoints_topic
        try:
            found = consumer.list_topics(topic, _SECONDS).topics[topic].error
            if found is not None and found.code() == KafkaError.UNKNOWN_TOPIC_OR_PART:
                raise Unavailable(f"topic {topic} does not exist: declare the topics with `headrace prepare`")
            consumer.assign([TopicPartition(topic, 0, 0)])
            return self._last(consumer)
        except KafkaException as error:
            raise _unavailable(error) from error
        finally:
            consumer.close()

    def publish(self, rows: Sequence[Row], checkpoint: Checkpoint, upto: Row | None) -> None:
        """Publish rows and checkpoint; with `upto`, also a control record on each partition but that row's own."""
        producer, topic = self._turns.next(), self._domain.events_topic
        produce = producer.produce
        try:
            producer.begin_transaction()
            for row in rows:
                produce(topic, row.value, row.key, headers=_HEADERS)
            self._send_routed(producer, self._routes, rows)
            if upto is not None:
                self._control(producer, upto)
            for key in (RELAY, *self._route_keys):
                produce(self._domain.checkpoints_topic, encode(checkpoint), key, 0)
            reach("relay.produced")
            producer.commit_transaction(_SECONDS)
        except (KafkaException, BufferError) as error:
            raise _unavailable(error) from error
        reach("relay.committed")

    def catch_up(self, route: str, rows: Sequence[Row], checkpoint: Checkpoint) -> None:
        """Publish rows on one route alone, with the checkpoint that says how far it is."""
        producer = self._turns.next()
        try:
            producer.begin_transaction()
            self._send_routed(producer, Routes(self._domain, [route]), rows)
            producer.produce(self._domain.checkpoints_topic, encode(checkpoint), route_key(route), 0)
            reach("relay.caught-up")
            producer.commit_transaction(_SECONDS)
        except (KafkaException, BufferError) as error:
            raise _unavailable(error) from error

    def _send_routed(self, producer: Producer, routes: Routes, rows: Sequence[Row]) -> None:
        for record in routes.of(rows):
            producer.produce(record.topic, record.value, record.key, headers=_HEADERS)

    def _control(self, producer: Producer, upto: Row) -> None:
        """The partition of the last event needs none on the events topic: that event says the same."""
        value, own = control(upto), partition_of(upto.key, self._domain.partitions)
        for topic in self._routes.topics:
            for partition in range(self._domain.partitions):
                producer.produce(topic, value, WATERMARK_KEY, partition, headers=_HEADERS)
        for partition in range(self._domain.partitions):
            if partition != own:
                producer.produce(self._domain.events_topic, value, WATERMARK_KEY, partition, headers=_HEADERS)

    def _last(self, consumer: Consumer) -> dict[bytes, Checkpoint]:
        last: dict[bytes, Checkpoint] = {}
        while True:
            message = consumer.poll(_SECONDS)
            if message is None:
                raise Unavailable("Kafka does not answer: the checkpoint could not be read", rule="kafka-unavailable")
            error = message.error()
            if error is None:
                key = message.key()
                assert isinstance(key, bytes)
                last[key] = msgspec.json.decode(message.value() or b"", type=Checkpoint)
            elif error.code() == KafkaError._PARTITION_EOF:
                return last
            else:
                raise KafkaException(error)


def route_key(route: str) -> bytes:
    """Key of the checkpoint of a route."""
    return b"route " + route.encode()


def _unavailable(error: Exception) -> Unavailable:
    cause = error.args[0] if error.args else error
    sentence = cause.str() if isinstance(cause, KafkaError) else str(cause)
    return Unavailable(f"Kafka does not take the events: {sentence}", rule="kafka-unavailable")
