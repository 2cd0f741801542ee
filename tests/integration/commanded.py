"""The topics of the intake as clients use them: commands go in, replies and dead letters come out."""

import json
from collections.abc import Iterable, Sequence
from typing import Any, cast

from confluent_kafka import Consumer, KafkaError, Message, Producer, TopicPartition

from schemas import Command, Domain, encode
from tests.pipeline import BROKER_SECONDS, until


def line(command: Command, **fields: Any) -> bytes:
    """A command as a line of the bulk route."""
    head = "".join(f"{json.dumps(name)}:{json.dumps(value)}," for name, value in fields.items())
    return b'{%s"command":%s}' % (head.encode(), encode(command))


def headers_of(message: Message) -> dict[str, str]:
    """The headers of a record as text."""
    found = cast(list[tuple[str, bytes]], message.headers() or [])
    return {name: data.decode() for name, data in found}


class Client:
    """Writes to the commands topic of a domain and reads what comes of it."""

    def __init__(self, kafka: str, domain: Domain) -> None:
        self._kafka, self._domain = kafka, domain
        self._producer = Producer(
            {"bootstrap.servers": kafka, "enable.idempotence": True, "message.max.bytes": 1_040_000}
        )

    def send(
        self,
        value: bytes | None,
        partition: int = 0,
        headers: Sequence[tuple[str, str | bytes | None]] = (),
        key: bytes | None = None,
    ) -> None:
        """Send one record; `flush` makes sure of it."""
        self._producer.produce(self._domain.commands_topic, value, key, partition, headers=list(headers))

    def send_all(self, commands: Iterable[tuple[str, Command]]) -> None:
        """Send commands with their ids, each stream to a partition of its own, in order."""
        for id_, command in commands:
            self._producer.produce(
                self._domain.commands_topic, line(command, id=id_), self._domain.stream_of(command).encode()
            )
            self._producer.poll(0)
        self.flush()

    def flush(self) -> None:
        assert self._producer.flush(30) == 0

    def replies(self) -> list[dict[str, Any]]:
        """All replies that are committed, by partition and offset of their commands."""
        found = [json.loads(message.value() or b"") for message in self.read(self._domain.replies_topic)]
        return sorted(found, key=lambda reply: (reply["partition"], reply["offset"]))

    def replied(self, count: int, seconds: float = 60) -> list[dict[str, Any]]:
        """The replies, once there are so many."""
        return until(lambda: r if len(r := self.replies()) >= count else None, seconds, what=f"{count} replies") or []

    def read(self, topic: str) -> list[Message]:
        """The committed records of a topic up to its present end; none while a transaction is open."""
        consumer = Consumer(
            {
                "bootstrap.servers": self._kafka,
                "group.id": f"test-{self._domain.namespace}",
                "enable.auto.commit": False,
                "isolation.level": "read_committed",
                "enable.partition.eof": True,
            }
        )
        found, open_ = [], set(range(self._domain.partitions))
        consumer.assign([TopicPartition(topic, partition, 0) for partition in open_])
        try:
            while open_:
                message = consumer.poll(BROKER_SECONDS)
                assert message is not None, "the broker does not answer"
                if (error := message.error()) is None:
                    found.append(message)
                    continue
                assert error.code() == KafkaError._PARTITION_EOF, error
                open_.discard(message.partition() or 0)
        finally:
            consumer.close()
        return found
