"""Removes a build that is not queried: its topics, its consumer groups, its ClickHouse database."""

import time
from collections.abc import Callable

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import AdminClient

from infra import topics
from infra.stack import Addresses
from producers.store.builds import Builds
from schemas import Domain, Edition, Unavailable, reach
from sinks.clickhouse import ClickHouse
from sinks.sql import statement

_GONE = {
    KafkaError.UNKNOWN_TOPIC_OR_PART,
    KafkaError.GROUP_ID_NOT_FOUND,
}
_EMPTY_SECONDS = 45.0


def drop(builds: Builds, domain: Domain, edition: Edition, at: Addresses, say: Callable[[str], None]) -> None:
    """Remove a build that is being dropped. A removal that was ended goes on when this is called again.

    `domain` names the build. Raises Unavailable when a worker does not let go of it.
    """
    reach("rebuild.dropping")
    admin = AdminClient({"bootstrap.servers": at.kafka, "socket.timeout.ms": 10_000})
    groups = [domain.worker_app, *(domain.sink_group(domain.aggregate_topic(each)) for each in domain.aggregates)]
    for group in groups:
        _forget(admin, group)
    say("its worker and its loaders have ended")
    _delete(admin, topics.of_build(domain))
    connection = ClickHouse(at.clickhouse)
    try:
        connection.execute(statement("drop_database", database=domain.projection_database))
    finally:
        connection.close()
    reach("rebuild.removed")
    builds.move(edition, "dropped", "dropping")
    say("its topics and tables are removed")


def _forget(admin: AdminClient, group: str) -> None:
    """Delete a consumer group, once it has no members."""
    until = time.monotonic() + _EMPTY_SECONDS
    while True:
        try:
            admin.delete_consumer_groups([group], request_timeout=10)[group].result()
            return
        except KafkaException as error:
            code = error.args[0].code()
            if code in _GONE:
                return
            if code != KafkaError.NON_EMPTY_GROUP:
                raise Unavailable(f"Kafka does not answer: {error.args[0].str()}", retry_after=1) from error
            if time.monotonic() > until:
                raise Unavailable(
                    f"{group} still has members after {_EMPTY_SECONDS:.0f} s: a worker or a sink that was started by "
                    "hand keeps this build; end it and ask again",
                    retry_after=1,
                ) from error
        time.sleep(0.2)


def _delete(admin: AdminClient, names: list[str]) -> None:
    for future in admin.delete_topics(names, operation_timeout=20).values():
        try:
            future.result()
        except KafkaException as error:
            if error.args[0].code() not in _GONE:
                raise Unavailable(f"Kafka does not answer: {error.args[0].str()}", retry_after=1) from error
