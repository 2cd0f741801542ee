"""What a worker starts from: compacted, emptied and trimmed topics."""

from pathlib import Path

import pytest
from confluent_kafka import OFFSET_END, KafkaError, TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.admin._config import AlterConfigOpType, ConfigEntry, ConfigResource
from confluent_kafka.admin._resource import ResourceType

from schemas import Domain
from tests.integration.order_source import Publisher, Source, assert_tables_equal_ledger, read, table
from tests.integration.worker_process import Worker, wait_until_folded
from tests.pipeline import until


def delete_records(kafka: str, topic: str, partition: int, before: int) -> None:
    admin = AdminClient({"bootstrap.servers": kafka})

    def deleted() -> bool:
        [future] = admin.delete_records([TopicPartition(topic, partition, before)]).values()
        error = future.exception(30)
        if error is not None and error.args[0].code() != KafkaError.POLICY_VIOLATION:
            raise error
        return error is None  # a policy that was changed just now may not be known everywhere

    until(deleted, 30, what="the records are deleted")


def configure(kafka: str, name: str, kind: ResourceType = ResourceType.TOPIC, **settings: str) -> None:
    admin = AdminClient({"bootstrap.servers": kafka})
    resource = ConfigResource(kind, name)
    for setting, value in settings.items():
        resource.add_incremental_config(
            ConfigEntry(setting.replace("_", "."), value, incremental_operation=AlterConfigOpType.SET)
        )
    for future in admin.incremental_alter_configs([resource]).values():
        future.result(30)


def _fold_all(kafka: str, domain: Domain, source: Source, publisher: Publisher, worker: Worker, count: int) -> None:
    publisher.publish_all(source, count)
    publisher.watermark(source.position)
    worker.start()
    wait_until_folded(kafka, domain, source)
    assert worker.stop() == 0


@pytest.mark.parametrize("emptied", [["orders"], ["orders", "customers"]])
def test_emptied_tables_are_folded_again_from_the_start(
    emptied: list[str], kafka: str, domain: Domain, tmp_path: Path
) -> None:
    source, publisher = Source(), Publisher(kafka, domain)
    with Worker(kafka, domain, tmp_path) as worker:
        _fold_all(kafka, domain, source, publisher, worker, 5_000)
        for name in emptied:
            topic = domain.aggregate_topic(domain.aggregate(name))
            configure(kafka, topic, cleanup_policy="compact,delete")
            for partition in range(domain.partitions):
                delete_records(kafka, topic, partition, OFFSET_END)
            assert table(kafka, topic) == {}
        _fold_all(kafka, domain, source, publisher, worker, 500)
        assert "folding from the start" in worker.log
    assert_tables_equal_ledger(kafka, domain, source.ledger)
    assert read(kafka, domain.held_topic) == []


def test_a_compacted_changelog_is_loaded(kafka: str, domain: Domain, tmp_path: Path) -> None:
    source, publisher = Source(customers=20), Publisher(kafka, domain)
    topic = domain.aggregate_topic(domain.aggregate("customers"))
    configure(
        kafka,
        topic,
        segment_ms="100",
        min_cleanable_dirty_ratio="0.001",
        max_compaction_lag_ms="100",
        segment_bytes="1048576",
    )
    with Worker(kafka, domain, tmp_path) as worker:
        for _ in range(8):  # each writes a row once, and what was written last is not compacted
            _fold_all(kafka, domain, source, publisher, worker, 300)

        def compacted() -> bool:
            """By its offsets: what had been compacted before we look is counted, too."""
            records = read(kafka, topic)
            written = {record.partition(): (record.offset() or 0) + 1 for record in records}
            return len(records) < sum(written.values()) / 3

        until(compacted, 60, what="the topic is compacted")
        _fold_all(kafka, domain, source, publisher, worker, 500)
        assert "folding from the start" not in worker.log
    assert_tables_equal_ledger(kafka, domain, source.ledger)


def test_events_deleted_before_they_were_folded_are_refused(kafka: str, domain: Domain, tmp_path: Path) -> None:
    source, publisher = Source(), Publisher(kafka, domain)
    with Worker(kafka, domain, tmp_path) as worker:
        _fold_all(kafka, domain, source, publisher, worker, 1_000)
        publisher.publish_all(source, 1_000)
        for partition in range(domain.partitions):
            delete_records(kafka, domain.events_topic, partition, OFFSET_END)
        assert worker.start().ended() == 1
        assert "events were deleted or the topic was made anew" in worker.log
        assert "Traceback" not in worker.log
