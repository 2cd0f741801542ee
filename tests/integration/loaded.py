"""What the sink has loaded, compared with what was published."""

from decimal import Decimal
from typing import Any

import clickhouse_driver
from confluent_kafka.admin import AdminClient

from schemas import Domain
from tests.integration.order_source import Publisher, Source
from tests.pipeline import until


class Loaded:
    """What the tables of a domain hold."""

    def __init__(self, url: str, domain: Domain) -> None:
        self._client = clickhouse_driver.Client.from_url(url)
        self._domain = domain

    def close(self) -> None:
        self._client.disconnect()

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        """Rows of a query in which `{events}` and `{projection}` are the domain's databases."""
        try:
            named = query.format(events=self._domain.database, projection=self._domain.projection_database)
            return list(self._client.execute(named))
        except clickhouse_driver.errors.ServerException:
            return []

    def complete(self, topic: str = "") -> int:
        """The position up to which the table of a topic (the events') is complete."""
        topic = topic or self._domain.events_topic
        found = self.rows(
            f"SELECT max(position) FROM {{events}}.progress WHERE topic = '{topic}' GROUP BY kafka_partition"
        )
        return min(row[0] for row in found) if len(found) == self._domain.partitions else 0

    def wait(self, position: int, seconds: float = 60, topic: str = "") -> None:
        until(lambda: self.complete(topic) >= position, seconds, what=f"position {position} is loaded")

    def assert_exact(self, source: Source) -> None:
        [(count, distinct, highest)] = self.rows(
            "SELECT count(), uniqExact(position), max(position) FROM {events}.events"
        )
        assert (count, distinct, highest) == (source.position,) * 3
        [(revenue, refunded)] = self.rows("SELECT sum(revenue), sum(refunded) FROM {events}.revenue_by_month")
        assert revenue - refunded == sum(source.ledger.spent.values(), Decimal(0))


def publish(publisher: Publisher, source: Source, count: int, **options: Any) -> None:
    """Events in transactions, then a watermark on every partition."""
    publisher.publish_all(source, count, **options)
    publisher.watermark(source.position)


def forget_offsets(kafka: str, domain: Domain) -> None:
    """Delete the group that loads the events, as when its offsets expire."""
    admin = AdminClient({"bootstrap.servers": kafka})
    group = domain.sink_group(domain.events_topic)

    def deleted() -> bool:
        [future] = admin.delete_consumer_groups([group]).values()
        return future.exception() is None

    until(deleted, 30, what="the group is deleted")
