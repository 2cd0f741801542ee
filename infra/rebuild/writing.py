"""Writes a folded partition to the topics of a new build, together with the offset at which its worker goes on."""

from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass

from confluent_kafka import Consumer, KafkaException, TopicPartition

from infra.rebuild.handover import Offsets
from schemas import Domain, Unavailable, arm, reach, stage_module
from streams.changes import Changes
from streams.folding import Folder
from streams.group import Group
from streams.replay import Replayed
from streams.writer import ChunkWriter

_SECONDS = 10.0
# The most that brokers allow by default: a whole partition is one transaction.
_TRANSACTION_MS = 900_000


@dataclass(frozen=True)
class Outside:
    """Who commits the offsets of a group that has no members."""

    kafka: str
    group: str

    def metadata(self) -> bytes:
        """What `send_offsets_to_transaction` takes."""
        consumer = Consumer({"bootstrap.servers": self.kafka, "group.id": self.group})
        try:
            return bytes(consumer.consumer_group_metadata())
        finally:
            consumer.close()


@dataclass(frozen=True)
class Written:
    """What was written of one partition."""

    partition: int
    events: int
    rows: int
    held: int


@dataclass(frozen=True)
class Writing:
    """Writes the rows of a partition. Picklable, to be called where the partition was folded.

    Rows, held keys, dead letters and the worker's offset are one transaction of the worker's own producer: either all
    of the partition is handed over or nothing of it, a worker that starts shuts out what may still write here, and so
    does a later attempt of a rebuild that was killed.
    """

    domain: Callable[[], Domain]
    build: int
    kafka: str
    crash_point: str = ""

    def __call__(self, found: Replayed) -> Written:
        """Write it. Raises Unavailable, and Fatal when Kafka refuses the rows."""
        if self.crash_point:
            arm(self.crash_point)
        domain = self.domain().in_build(self.build)
        group = Group.of(domain, Folder(domain, stage_module("streams", domain).FOLDS).aggregates)
        with closing(Offsets(self.kafka, domain.events_topic)) as offsets:
            offset = offsets.behind(found.partition, found.mark.position)
        changes = Changes(
            rows=tuple({**rows} for rows in (*found.tables.values(), found.versions)),
            held=found.held,
            dead_letters=found.letters,
            mark=found.mark,
        )
        reach("rebuild.writing")
        with closing(
            ChunkWriter(self.kafka, group, found.partition, lambda: False, timeout_ms=_TRANSACTION_MS)
        ) as writer:
            writer.fence()
            writer.commit(
                changes, changes.holds({}), domain.events_topic, offset, Outside(self.kafka, domain.worker_app)
            )
        reach("rebuild.written")
        rows = sum(len(table) for table in found.tables.values())
        return Written(found.partition, found.events, rows, len(found.held))


def handed_over(kafka: str, domain: Domain) -> set[int]:
    """The partitions of a build that were written with their offsets. Raises Unavailable.

    One whose offset is in a transaction that a killed rebuild left open is none of them: who writes it again settles
    that transaction first. Of committed offsets alone nothing would be told until it has run out of time.
    """
    consumer = Consumer(
        {"bootstrap.servers": kafka, "group.id": domain.worker_app, "isolation.level": "read_uncommitted"}
    )
    try:
        places = [TopicPartition(domain.events_topic, number) for number in range(domain.partitions)]
        found = consumer.committed(places, _SECONDS)
    except KafkaException as error:
        raise Unavailable(f"Kafka does not answer: {error.args[0].str()}", retry_after=1) from error
    finally:
        consumer.close()
    return {each.partition for each in found if each.offset >= 0}
