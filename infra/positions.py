"""How far each hop of a domain is, asked from where the hop itself keeps it."""

from dataclasses import dataclass
from types import TracebackType

import clickhouse_driver
import clickhouse_driver.errors
import msgspec
from confluent_kafka import Consumer, KafkaException, TopicPartition

from infra.stack import Addresses
from producers import PostgresEventStore
from producers.relay.records import Checkpoint
from producers.store.connections import READER
from schemas import Domain, Unavailable

_TIMEOUT = 5.0
_LOADED = "SELECT topic, kafka_partition, max(position) FROM progress GROUP BY topic, kafka_partition"


@dataclass(frozen=True)
class Positions:
    """Up to which position each hop of a domain is complete."""

    accepted: int
    relayed: int
    folded: int
    loaded: int


class Hops:
    """Asks the hops of one domain, in its live projection. Close it, or use it in a `with`."""

    def __init__(self, domain: Domain, at: Addresses) -> None:
        self._domain = domain.live
        self._store = PostgresEventStore(at.postgres, domain, role=READER)
        # Never joins the workers' group: it only asks for what they have committed.
        self._consumer = Consumer(
            {
                "bootstrap.servers": at.kafka,
                "group.id": domain.live.worker_app,
                "enable.auto.commit": False,
                "isolation.level": "read_committed",
            }
        )
        self._clickhouse = clickhouse_driver.Client.from_url(at.clickhouse_reader)
        self._relayed = 0

    def __enter__(self) -> "Hops":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        self._store.close()
        self._consumer.close()
        self._clickhouse.disconnect()

    def positions(self) -> Positions:
        """Where the hops are now. Raises Unavailable when one cannot be asked."""
        try:
            return Positions(self.accepted(), self._relay(), self._fold(), self._load())
        except KafkaException as error:
            raise Unavailable(f"Kafka: {error.args[0].str()}", retry_after=1) from error
        except (clickhouse_driver.errors.Error, OSError, EOFError) as error:
            raise Unavailable(f"ClickHouse: {str(error).splitlines()[0]}", retry_after=1) from error

    def accepted(self) -> int:
        """The position of the newest event."""
        return self._store.head().position

    def relayed(self) -> int:
        """Up to which position all is published. Raises Unavailable when Kafka does not answer."""
        try:
            return self._relay()
        except KafkaException as error:
            raise Unavailable(f"Kafka: {error.args[0].str()}", retry_after=1) from error

    def _relay(self) -> int:
        """The newest checkpoint; the topic ends with it, or with the marker of its transaction."""
        topic = self._domain.checkpoints_topic
        first, end = self._consumer.get_watermark_offsets(TopicPartition(topic, 0), timeout=_TIMEOUT)
        if end > first:
            self._consumer.assign([TopicPartition(topic, 0, max(first, end - 4))])
            for message in self._consumer.consume(4, 0.2):
                if message.error() is None and (value := message.value()):
                    self._relayed = max(self._relayed, msgspec.json.decode(value, type=Checkpoint).position)
            self._consumer.unassign()
        return self._relayed

    def _fold(self) -> int:
        partitions = [TopicPartition(self._domain.events_topic, n) for n in range(self._domain.partitions)]
        committed = self._consumer.committed(partitions, timeout=_TIMEOUT)
        return min(int(each.metadata) if each.metadata else 0 for each in committed)

    def _load(self) -> int:
        domain = self._domain
        try:
            found = self._clickhouse.execute(_LOADED.replace("progress", f"{domain.database}.progress"))
        except clickhouse_driver.errors.ServerException as error:
            if error.code in (60, 81):  # no table, no database: nothing is loaded yet
                return 0
            raise
        done: dict[tuple[str, int], int] = {(topic, number): position for topic, number, position in found}
        topics = [domain.events_topic, *(domain.aggregate_topic(aggregate) for aggregate in domain.aggregates)]
        return min(done.get((topic, number), 0) for topic in topics for number in range(domain.partitions))
