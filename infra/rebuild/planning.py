"""What a rebuild will take: measured on a sample of the history, asked of the servers, and nothing changed."""

import os
import time
from contextlib import closing

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient
from confluent_kafka.admin._config import ConfigResource
from confluent_kafka.admin._resource import ResourceType
from msgspec import Struct

from infra.history import Recorded
from infra.rebuild.handover import Offsets
from infra.stack import Addresses
from schemas import Domain, Unavailable
from sinks.clickhouse import ClickHouse
from sinks.sql import statement
from streams.replay.partition import PartitionFold

_SAMPLE_SECONDS = 2.0
_LOADED_A_SECOND = 100_000  # rows that a sink loads; the rate of `headrace bench load` is higher


class Plan(Struct, frozen=True, kw_only=True):
    """What a rebuild reads and makes. Bytes of events are those of their records; those of rows are on the topics.

    `rate` is in events a second, of all processes, as the sample was folded. `disk` is what the live build's tables
    take in ClickHouse, `older` counts events that upcasters bring to today's shape. `hazards` are sentences.
    """

    domain: str
    projection: int
    events: int
    event_bytes: int
    rows: int
    row_bytes: int
    disk: int
    rate: float
    processes: int
    seconds: float
    upcasters: list[str]
    older: int
    hazards: list[str]


def plan(newest: Domain, live: Domain, history: Recorded, at: Addresses, processes: int = 0) -> Plan:
    """The plan. Raises Unavailable when a server does not answer."""
    events = history.head()
    processes = min(processes or os.cpu_count() or 1, newest.partitions)
    rate, event_size, row_size = _sample(history, newest.partitions, events) if events else (0.0, 0.0, 0.0)
    with closing(ClickHouse(at.clickhouse)) as clickhouse:
        [(rows, disk)] = clickhouse.execute(statement("plan_tables", database=live.projection_database))
        [(older,)] = clickhouse.execute(statement("plan_older", database=live.database))
    rate *= processes
    return Plan(
        domain=newest.name,
        projection=newest.projection,
        events=events,
        event_bytes=round(events * event_size),
        rows=rows,
        row_bytes=round(rows * row_size),
        disk=disk,
        rate=round(rate, 1),
        processes=processes,
        seconds=round(events / rate + rows / _LOADED_A_SECOND, 1) if rate else 0.0,
        upcasters=[f"{each.old} -> {each.new}" for each in newest.upcasters],
        older=older,
        hazards=_hazards(newest, at),
    )


def _sample(history: Recorded, partitions: int, upto: int) -> tuple[float, float, float]:
    """Events a second of one process, and the mean bytes of a record and of a row, as the history begins."""
    folder, mark, skips = history.folder(), history.mark(upto), history.skips()
    records = size = rows = row_size = 0
    spent = 0.0
    with closing(history.source()) as source:
        for partition in range(partitions):
            fold, began = PartitionFold(folder, partition, mark, skips), time.monotonic()
            for batch in source.read(partition, upto):
                fold.fold(batch)
                records += len(batch)
                size += sum(len(value or b"") for _, value, _ in batch)
                if spent + time.monotonic() - began > _SAMPLE_SECONDS:
                    break
            spent += time.monotonic() - began
            for table in fold.found.tables.values():
                rows, row_size = rows + len(table), row_size + sum(map(len, table.values()))
            if spent > _SAMPLE_SECONDS:
                break
    return records / max(spent, 0.001), size / max(records, 1), row_size / max(rows, 1)


def _hazards(domain: Domain, at: Addresses) -> list[str]:
    found = []
    with closing(Offsets(at.kafka, domain.events_topic)) as offsets:
        trimmed = [number for number in range(domain.partitions) if offsets.first(number) > 0]
    if trimmed:
        found.append(
            f"{domain.events_topic} has lost its first records in partitions {', '.join(map(str, trimmed))}: those "
            "events are read from the archive or the event store, which takes longer"
        )
    resource = ConfigResource(ResourceType.TOPIC, domain.events_topic)
    try:
        admin = AdminClient({"bootstrap.servers": at.kafka, "socket.timeout.ms": 10_000})
        configs = admin.describe_configs([resource])[resource].result(10)
    except (KafkaException, TimeoutError) as error:
        raise Unavailable(f"Kafka does not answer: {error}", retry_after=1) from error
    for name in ("retention.ms", "retention.bytes"):
        if (value := configs[name].value) != "-1":
            found.append(
                f"{domain.events_topic} has {name}={value}: records that expire while the rebuild runs are read from "
                "the archive or the event store"
            )
    return found
