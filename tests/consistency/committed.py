"""Reads a topic as a consumer that starts at its beginning."""

from collections.abc import Iterator

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, Message, TopicPartition


def committed(kafka: str, topic: str) -> Iterator[Message]:
    """All committed records of a topic up to its present end."""
    consumer = Consumer(
        {
            "bootstrap.servers": kafka,
            "group.id": "consistency",
            "enable.auto.commit": False,
            "enable.partition.eof": True,
            "isolation.level": "read_committed",
        }
    )
    waiting = set(consumer.list_topics(topic, 30).topics[topic].partitions)
    consumer.assign([TopicPartition(topic, number, OFFSET_BEGINNING) for number in waiting])
    while waiting:
        for message in consumer.consume(10_000, 1.0):
            error = message.error()
            if error is None:
                yield message
            elif error.code() == KafkaError._PARTITION_EOF:
                waiting.discard(message.partition() or 0)
    consumer.close()
