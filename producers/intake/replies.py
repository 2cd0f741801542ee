"""Writes the answers of one partition: replies, dead letters and the source offset in one Kafka transaction."""

import logging
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from confluent_kafka import KafkaError, KafkaException, Producer, TopicPartition

from producers.intake.records import Record
from schemas import Domain, Unavailable, reach

log = logging.getLogger(__name__)

_SECONDS = 15.0


class Replies:
    """The transactional producer of one partition of the commands topic. All methods block and raise Unavailable
    when the broker does not answer, or when another intake has taken the partition over: then a transaction under
    way may have been committed or not, and whoever fences next reads the outcome from the committed offset.
    """

    def __init__(self, kafka: str, domain: Domain, partition: int) -> None:
        self._domain, self._partition = domain, partition
        self._producer = Producer(
            {
                "bootstrap.servers": kafka,
                "transactional.id": domain.intake_transactional_id(partition),
                # Readers of replies wait for the outcome of an open transaction, for so long at most.
                "transaction.timeout.ms": 10_000,
                "reconnect.backoff.max.ms": 1_000,
                # Otherwise sending offsets hangs for good once a broker went away and came back (librdkafka #5511).
                "metadata.recovery.strategy": "none",
                "partitioner": "murmur2_random",
                "compression.type": "lz4",
                "linger.ms": 2,
                "message.max.bytes": 8_000_000,
                "queue.buffering.max.messages": 100_000,
                "queue.buffering.max.kbytes": 1 << 15,
            },
            logger=logging.getLogger("librdkafka"),
        )

    def fence(self) -> None:
        """Shut out the partition's former owner and settle its open transaction."""
        try:
            self._producer.init_transactions(_SECONDS)
        except KafkaException as error:
            raise self._unavailable(error) from error

    def commit(self, records: Sequence[Record], next_offset: int, membership: Any) -> None:
        """Produce the records and commit `next_offset`, all or nothing. `membership` is the consumer's group
        metadata as it was when the partition was assigned: the broker refuses any but the present owner's.
        """
        try:
            self._producer.begin_transaction()
            for record in records:
                self._produce(record)
            offsets = [TopicPartition(self._domain.commands_topic, self._partition, next_offset)]
            self._producer.send_offsets_to_transaction(offsets, membership, _SECONDS)
            reach("intake.produced")
            self._producer.commit_transaction(_SECONDS)
        except KafkaException as error:
            raise self._unavailable(error) from error
        reach("intake.committed")

    def close(self) -> None:
        """End the producer. An open transaction is left to the next owner."""
        self._producer.purge()
        with suppress(KafkaException):
            self._producer.close()

    def _produce(self, record: Record) -> None:
        while True:
            try:
                return self._producer.produce(record.topic, record.value, record.key, headers=record.headers)
            except BufferError:
                self._producer.poll(0.1)

    def _unavailable(self, error: KafkaException) -> Unavailable:
        cause = error.args[0]
        sentence = cause.str() if isinstance(cause, KafkaError) else str(cause)
        name = f"partition {self._partition} of {self._domain.commands_topic}"
        return Unavailable(f"Kafka does not take the replies of {name}: {sentence}", rule="kafka-unavailable")
