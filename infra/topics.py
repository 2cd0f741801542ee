"""Declares the Kafka topics of the domains. Safe to run twice."""

from collections.abc import Iterable
from datetime import timedelta

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from schemas import Domain, Fatal, Unavailable
from streams.wiring import Wired

_COMPACTED = {"cleanup.policy": "compact", "min.cleanable.dirty.ratio": "0.1", "segment.ms": "600000"}
# Events stay for ever: any read model can be rebuilt from them. Trimming is an operator's decision.
_KEPT = {"cleanup.policy": "delete", "retention.ms": "-1", "retention.bytes": "-1"}


def topics_of(domain: Domain, replication: int = 1) -> list[NewTopic]:
    """All topics of a domain. Aggregate topics have the events topic's partitions, as changelogs must."""

    def topic(name: str, partitions: int, config: dict[str, str]) -> NewTopic:
        return NewTopic(name, num_partitions=partitions, replication_factor=replication, config=config)

    parts = domain.partitions
    # A producer has as long to read its answers; what was taken in stays as events.
    passing = {
        "cleanup.policy": "delete",
        "retention.ms": str(domain.intake_retention // timedelta(milliseconds=1)),
    }
    return [
        topic(domain.events_topic, parts, _KEPT),
        *(topic(domain.route_topic(route), parts, _KEPT) for route in domain.routes),
        topic(domain.checkpoints_topic, 1, _COMPACTED),
        topic(domain.proofs_topic, 1, _KEPT),
        *(topic(v.aggregate_topic(each), parts, _COMPACTED) for v in domain.projections for each in v.aggregates),
        *(topic(version.versions_topic, parts, _COMPACTED) for version in domain.projections),
        *(topic(version.held_topic, parts, _COMPACTED) for version in domain.projections),
        *(topic(version.dead_letters_topic, parts, _KEPT) for version in domain.projections),
        topic(domain.commands_topic, parts, passing),
        topic(domain.replies_topic, parts, {**passing, "max.message.bytes": "8000000"}),
        topic(domain.command_dead_letters_topic, parts, {**_KEPT, "max.message.bytes": "8000000"}),
    ]


def of_build(domain: Domain) -> list[str]:
    """Names of the topics that a build of a projection has for itself."""
    aggregates = [domain.aggregate_topic(aggregate) for aggregate in domain.aggregates]
    return [*aggregates, domain.versions_topic, domain.held_topic, domain.dead_letters_topic]


def topics_of_process(process: Wired, replication: int = 1) -> list[NewTopic]:
    """The topics of a process manager itself."""
    names, parts = process.names, process.partitions
    kinds = {names.state_topic: _COMPACTED, names.held_topic: _COMPACTED, names.dead_letters_topic: _KEPT}
    return [
        NewTopic(name, num_partitions=parts, replication_factor=replication, config=config)
        for name, config in kinds.items()
    ]


def declare(kafka: str, domains: Iterable[Domain], processes: Iterable[Wired] = ()) -> None:
    """Create what is missing of the topics of domains and processes, and wait until the broker knows them.

    Raises Unavailable when the broker does not answer, Fatal when a topic exists with another partition count.
    """
    admin = AdminClient({"bootstrap.servers": kafka, "socket.timeout.ms": 10_000})
    declared = list(domains)
    wanted = {t.topic: t for domain in declared for t in topics_of(domain)}
    wanted |= {t.topic: t for process in processes for t in topics_of_process(process)}
    # Those of the intake outlive a generation, and work with any partition count.
    free = {t for d in declared for t in (d.commands_topic, d.replies_topic, d.command_dead_letters_topic)}
    try:
        existing = admin.list_topics(timeout=10).topics
        for name, topic in wanted.items():
            found = existing.get(name)
            if found is not None and name not in free and len(found.partitions) != topic.num_partitions:
                raise Fatal(
                    f"topic {name} has {len(found.partitions)} partitions, the domain says {topic.num_partitions}: "
                    "a new partition count needs a new generation"
                )
        missing = [topic for name, topic in wanted.items() if name not in existing]
        for future in (admin.create_topics(missing, operation_timeout=30) if missing else {}).values():
            _settle(future)
    except KafkaException as error:
        raise Unavailable(f"Kafka at {kafka} does not answer: {error.args[0].str()}", retry_after=1) from error


def _settle(future: "object") -> None:
    try:
        future.result()  # type: ignore[attr-defined]  # a concurrent Future, untyped in the library
    except KafkaException as error:
        if error.args[0].code() != KafkaError.TOPIC_ALREADY_EXISTS:
            raise
