"""What a partition of a process manager went through before its state begins: asked from Kafka, once."""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from confluent_kafka import OFFSET_INVALID, Consumer, KafkaError, KafkaException, TopicPartition

from schemas import Fatal, ProcessNames, Unavailable
from streams.offsets import bounds
from streams.wiring import Wired

_SECONDS = 10.0
# Behind the last record of a topic there may be so many offsets without one: markers of transactions.
_MARKERS = 100


@dataclass(frozen=True)
class Past:
    """`silent` are the event topics without any record; `fired` the offsets below which everything has led to its
    commands, by topic, but for the keys that were `held`."""

    silent: frozenset[str]
    fired: dict[str, int]
    held: frozenset[bytes] = frozenset()


class Pasts:
    """Asks for the past of partitions.

    `has_fired` answers whether the event store remembers any command of the process. With `replay`, a process of which
    Kafka knows nothing takes all that stands in its topics now for past.
    """

    def __init__(self, kafka: str, wired: Wired, has_fired: Callable[[], bool], *, replay: bool = False) -> None:
        self._kafka, self._wired, self._has_fired, self._replay = kafka, wired, has_fired, replay

    def of(self, number: int, fired: dict[str, int] | None) -> Past:
        """The past of the partition `number`; what has `fired` is asked only when the state does not say it (None).

        It was fired by this version of the process whose state was lost, or by the version before it. Raises
        Unavailable when a server does not answer, and Fatal when commands were fired and nobody knows which.
        """
        names = self._wired.names
        try:
            with _Group(self._kafka, names) as group:
                silent = frozenset(topic for topic in self._wired.events if group.is_empty(topic, number))
                if fired is not None:
                    return Past(silent, fired)
                return self._known(group, number, silent)
        except KafkaException as error:
            raise Unavailable(f"Kafka did not answer while a process was loaded: {error.args[0].str()}") from error

    def _known(self, group: "_Group", number: int, silent: frozenset[str]) -> Past:
        wired, names = self._wired, self._wired.names
        sources = wired.group.sources
        if group.has_begun(sources, wired.partitions):
            return Past(silent, group.fired(sources, number))
        if self._replay:
            return Past(silent, group.ends(sources, number))
        if names.version > 1:
            before = ProcessNames(name=names.name, version=names.version - 1, namespace=names.namespace)
            with _Group(self._kafka, before) as earlier:
                if earlier.has_begun(sources, wired.partitions):
                    fired = earlier.fired(sources, number)
                    return Past(silent, fired, earlier.held(before.held_topic, number))
        if self._has_fired():
            raise Fatal(
                f"the process {names.key} has fired commands before, but neither its state nor its offsets are left: "
                "it would fire them again. Start it with --replay, which takes all that stands in its topics now for "
                "past: it makes the state anew and fires nothing for that"
            )
        return Past(silent, {})


class _Group:
    """A consumer with the group's id that never joins it."""

    def __init__(self, kafka: str, names: ProcessNames) -> None:
        self._consumer = Consumer(
            {
                "bootstrap.servers": kafka,
                "group.id": names.app,
                "enable.auto.commit": False,
                "enable.partition.eof": True,
                "isolation.level": "read_committed",
                "auto.offset.reset": "earliest",
                "fetch.wait.max.ms": 10,
            },
            logger=logging.getLogger("librdkafka"),
        )

    def __enter__(self) -> "_Group":
        return self

    def __exit__(self, *_: object) -> None:
        self._consumer.close()

    def is_empty(self, topic: str, number: int) -> bool:
        """Whether the topic's partition has no record."""
        first, end = bounds(self._consumer, topic, number)
        return bool(first == end)

    def has_begun(self, topics: Sequence[str], partitions: int) -> bool:
        """Whether the group has applied anything at all."""
        places = [TopicPartition(topic, number) for topic in topics for number in range(partitions)]
        return any(each.offset != OFFSET_INVALID for each in self._consumer.committed(places, _SECONDS))

    def fired(self, topics: Sequence[str], number: int) -> dict[str, int]:
        """The offset behind the last record that the group has applied, of each topic of which it has applied any."""
        committed = self._consumer.committed([TopicPartition(topic, number) for topic in topics], _SECONDS)
        return self._behind_last({each.topic: each.offset for each in committed}, number)

    def ends(self, topics: Sequence[str], number: int) -> dict[str, int]:
        """The offset behind the last record of each topic that has any."""
        return self._behind_last({topic: bounds(self._consumer, topic, number)[1] for topic in topics}, number)

    def held(self, topic: str, number: int) -> frozenset[bytes]:
        """The keys that are held according to the topic."""
        found: dict[bytes, bool] = {}
        self._consumer.assign([TopicPartition(topic, number, 0)])
        while True:
            message = self._consumer.poll(_SECONDS)
            if message is None:
                raise KafkaException(KafkaError(KafkaError._TIMED_OUT))
            error, key = message.error(), message.key()
            if error is not None:
                if error.code() != KafkaError._PARTITION_EOF:
                    raise KafkaException(error)
                break
            if isinstance(key, bytes):
                found[key] = message.value() is not None
        self._consumer.unassign()
        return frozenset(key for key, is_held in found.items() if is_held)

    def _behind_last(self, ends: Mapping[str, int], number: int) -> dict[str, int]:
        """Not the offsets themselves: a replay may not get to know of markers at a topic's end."""
        waiting = {topic: end for topic, end in ends.items() if end > 0}
        behind = {topic: max(0, end - _MARKERS) for topic, end in waiting.items()}
        self._consumer.assign([TopicPartition(topic, number, start) for topic, start in behind.items()])
        while waiting:
            message = self._consumer.poll(_SECONDS)
            if message is None:
                raise KafkaException(KafkaError(KafkaError._TIMED_OUT))
            topic, offset, error = str(message.topic()), message.offset() or 0, message.error()
            if error is not None and error.code() != KafkaError._PARTITION_EOF:
                raise KafkaException(error)
            if error is not None or offset >= waiting.get(topic, 0):
                waiting.pop(topic, None)
            else:
                behind[topic] = offset + 1
        self._consumer.unassign()
        return {topic: offset for topic, offset in behind.items() if offset}
