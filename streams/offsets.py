"""The bounds of a partition."""

import time

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition

_SECONDS = 10.0
_PAUSE_SECONDS = 0.1
_NO_LEADER = frozenset(
    {KafkaError.NOT_LEADER_FOR_PARTITION, KafkaError.LEADER_NOT_AVAILABLE, KafkaError.UNKNOWN_LEADER_EPOCH}
)


def bounds(consumer: Consumer, topic: str, partition: int) -> tuple[int, int]:
    """The first offset of a partition, and the one after its last. Blocks.

    A partition of a new topic may have no leader yet: it is asked again for ten seconds. Raises KafkaException.
    """
    deadline = time.monotonic() + _SECONDS
    while True:
        try:
            first, end = consumer.get_watermark_offsets(TopicPartition(topic, partition), _SECONDS)
        except KafkaException as error:
            if error.args[0].code() not in _NO_LEADER or time.monotonic() > deadline:
                raise
            time.sleep(_PAUSE_SECONDS)
        else:
            return first, end
