"""Checkpoints in the topic of a domain's proofs."""

import logging
from collections.abc import Iterator

from confluent_kafka import Consumer, KafkaError, KafkaException, Producer, TopicPartition

from producers.proof.checkpoints import Checkpoint, line, parse
from schemas import Domain, Unavailable

log = logging.getLogger(__name__)
_SECONDS = 15.0


class CheckpointTopics:
    """See `Export`. Raises Unavailable when Kafka does not answer."""

    def __init__(self, kafka: str) -> None:
        self._kafka = kafka

    def last(self, domain: Domain) -> Checkpoint | None:
        found = None
        for found in read(self._kafka, domain):  # noqa: B007  # the last one is wanted
            pass
        return found

    def add(self, domain: Domain, checkpoint: Checkpoint) -> None:
        failures: list[KafkaError] = []
        config = {"bootstrap.servers": self._kafka, "enable.idempotence": True, "delivery.timeout.ms": 15_000}
        producer = Producer(config, logger=log)

        def delivered(error: KafkaError | None, _message: object) -> None:
            if error is not None:
                failures.append(error)

        producer.produce(domain.proofs_topic, line(checkpoint).strip(), domain.key, 0, on_delivery=delivered)
        if producer.flush(_SECONDS) or failures:
            raise _unavailable(failures[0].str() if failures else "no answer in time")


def read(kafka: str, domain: Domain) -> Iterator[Checkpoint]:
    """The checkpoints in the domain's topic, oldest first. Raises Invalid, Unavailable."""
    consumer = Consumer(
        {
            "bootstrap.servers": kafka,
            "group.id": domain.proofs_topic,
            "enable.auto.commit": False,
            "enable.partition.eof": True,
            "auto.offset.reset": "earliest",
        },
        logger=log,
    )
    try:
        consumer.assign([TopicPartition(domain.proofs_topic, 0, 0)])
        while True:
            message = consumer.poll(_SECONDS)
            if message is None:
                raise _unavailable("no answer in time")
            error = message.error()
            if error is None:
                yield parse(message.value() or b"", f"{domain.proofs_topic}, offset {message.offset()},")
            elif error.code() == KafkaError._PARTITION_EOF:
                return
            else:
                raise _unavailable(error.str())
    except KafkaException as error:
        raise _unavailable(error.args[0].str()) from error
    finally:
        consumer.close()


def _unavailable(sentence: str) -> Unavailable:
    return Unavailable(f"Kafka does not give or take checkpoints: {sentence}", rule="kafka-unavailable")
