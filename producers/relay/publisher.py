"""Publishes events to Kafka: one transaction for a batch, its control records and its checkpoint."""

import logging
from collections.abc import Sequence
from types import TracebackType

import msgspec
from confluent_kafka import Consumer, KafkaError, KafkaException, Producer, TopicPartition

from producers.relay.partitioner import partition_of
from producers.relay.records import Checkpoint, Row, control
from schemas import CONTENT_TYPE, WATERMARK_KEY, Domain, Unavailable, encode, reach

log = logging.getLogger(__name__)

_HEADERS: list[tuple[str, str | bytes | None]] = [CONTENT_TYPE]
_CHECKPOINT_KEY = b"relay"
_SECONDS = 15.0


class Publisher:
    """The one transactional producer of a domain. Making it fences any other and settles what that one left open.

    Every method raises Unavailable when the broker does not answer, or when another relay has taken over: then a
    transaction under way may have been committed or not, and a new object, which reads the checkpoint, knows.
    """

    def __init__(self, kafka: str, domain: Domain) -> None:
        self._kafka = kafka
        self._domain = domain
        self._producer = Producer(
            {
                "bootstrap.servers": kafka,
                "transactional.id": domain.relay_transactional_id,
                # A relay that died in a transaction holds up all readers for as long.
                "transaction.timeout.ms": 10_000,
                "partitioner": "murmur2_random",
                "compression.type": "lz4",
                "linger.ms": 2,
                "batch.size": 1 << 20,
                "message.max.bytes": 1_000_000,
                "queue.buffering.max.messages": 1_000_000,
                "queue.buffering.max.kbytes": 1 << 19,
            },
            logger=log,
        )
        try:
            self._producer.init_transactions(_SECONDS)
        except KafkaException as error:
            self._end()
            raise _unavailable(error) from error

    def __enter__(self) -> "Publisher":
        return self

    def __exit__(self, kind: type[BaseException] | None, value: object, trace: TracebackType | None) -> None:
        self._end()

    def _end(self) -> None:
        # Not close(): it tries to settle the transaction, which is the next producer's part, and complains.
        self._producer.purge()
        del self._producer

    def checkpoint(self) -> Checkpoint:
        """How far the domain is published."""
        consumer = Consumer(
            {
                "bootstrap.servers": self._kafka,
                "group.id": self._domain.relay_transactional_id,
                "enable.auto.commit": False,
                "isolation.level": "read_committed",
                "enable.partition.eof": True,
                "auto.offset.reset": "earliest",
            },
            logger=log,
        )
        try:
            consumer.assign([TopicPartition(self._domain.checkpoints_topic, 0, 0)])
            return self._last(consumer)
        except KafkaException as error:
            raise _unavailable(error) from error
        finally:
            consumer.close()

    def publish(self, rows: Sequence[Row], checkpoint: Checkpoint, upto: Row | None) -> None:
        """Publish rows and checkpoint; with `upto`, also a control record on each partition but that row's own."""
        topic, produce = self._domain.events_topic, self._producer.produce
        try:
            self._producer.begin_transaction()
            for row in rows:
                produce(topic, row.value, row.key, headers=_HEADERS)
            if upto is not None:
                self._control(upto)
            produce(self._domain.checkpoints_topic, encode(checkpoint), _CHECKPOINT_KEY, 0)
            reach("relay.produced")
            self._producer.commit_transaction(_SECONDS)
        except (KafkaException, BufferError) as error:
            raise _unavailable(error) from error
        reach("relay.committed")

    def _control(self, upto: Row) -> None:
        """The partition of the last event needs none: that event says the same."""
        value, own = control(upto), partition_of(upto.key, self._domain.partitions)
        for partition in range(self._domain.partitions):
            if partition != own:
                self._producer.produce(self._domain.events_topic, value, WATERMARK_KEY, partition, headers=_HEADERS)

    def _last(self, consumer: Consumer) -> Checkpoint:
        last = Checkpoint()
        while True:
            message = consumer.poll(_SECONDS)
            if message is None:
                raise Unavailable("Kafka does not answer: the checkpoint could not be read", rule="kafka-unavailable")
            error = message.error()
            if error is None:
                last = msgspec.json.decode(message.value() or b"", type=Checkpoint)
            elif error.code() == KafkaError._PARTITION_EOF:
                return last
            else:
                raise KafkaException(error)


def _unavailable(error: Exception) -> Unavailable:
    cause = error.args[0] if error.args else error
    sentence = cause.str() if isinstance(cause, KafkaError) else str(cause)
    return Unavailable(f"Kafka does not take the events: {sentence}", rule="kafka-unavailable")
