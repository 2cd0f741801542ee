"""The worker against a real broker: complete and exact tables, orderly stops, clear refusals."""

from pathlib import Path

import pytest

from schemas import Domain, discover
from tests.integration.order_source import Publisher, Source, assert_tables_equal_ledger, read
from tests.integration.worker_process import Worker, wait_until_folded


@pytest.fixture
def source() -> Source:
    return Source()


@pytest.fixture
def publisher(kafka: str, domain: Domain) -> Publisher:
    return Publisher(kafka, domain)


def test_the_tables_equal_the_ledger_and_a_restart_goes_on(
    kafka: str, domain: Domain, source: Source, publisher: Publisher, tmp_path: Path
) -> None:
    with Worker(kafka, domain, tmp_path) as worker:
        worker.start()
        publisher.publish_all(source, 20_000)
        publisher.watermark(source.position)
        wait_until_folded(kafka, domain, source)
        assert_tables_equal_ledger(kafka, domain, source.ledger)

        assert worker.stop() == 0
        assert "Traceback" not in worker.log
        publisher.publish_all(source, 3_000)
        publisher.watermark(source.position)
        worker.start()
        wait_until_folded(kafka, domain, source)
        assert_tables_equal_ledger(kafka, domain, source.ledger)
        assert worker.stop() == 0
    assert read(kafka, domain.held_topic, domain.dead_letters_topic) == []


def test_the_stop_signal_in_the_middle_of_the_work_loses_nothing(
    kafka: str, domain: Domain, source: Source, publisher: Publisher, tmp_path: Path
) -> None:
    publisher.publish_all(source, 60_000)
    publisher.watermark(source.position)
    with Worker(kafka, domain, tmp_path) as worker:
        worker.start().logged("loaded in")
        assert worker.stop() == 0
        worker.start()
        wait_until_folded(kafka, domain, source)
        assert_tables_equal_ledger(kafka, domain, source.ledger)


def test_events_that_arrive_twice_change_nothing(
    kafka: str, domain: Domain, source: Source, publisher: Publisher, tmp_path: Path
) -> None:
    events = list(source.events(2_000))
    publisher.publish(events)
    publisher.publish(events)
    publisher.watermark(source.position)
    with Worker(kafka, domain, tmp_path) as worker:
        worker.start()
        wait_until_folded(kafka, domain, source)
    assert_tables_equal_ledger(kafka, domain, source.ledger)


def test_a_missing_topic_is_named(kafka: str, namespace: str, tmp_path: Path) -> None:
    domain = discover(namespace)["orders"]
    with Worker(kafka, domain, tmp_path) as worker:
        assert worker.start().ended() == 1
        assert f"topic {domain.events_topic} does not exist" in worker.log
        assert "Traceback" not in worker.log


def test_a_worker_whose_kafka_is_down_waits_and_stops_when_told(namespace: str, tmp_path: Path) -> None:
    with Worker("127.0.0.1:1", discover(namespace)["orders"], tmp_path) as worker:
        worker.start().logged("waiting for Kafka at 127.0.0.1:1")
        assert worker.stop() == 0
        assert "Traceback" not in worker.log


def test_aborted_transactions_are_not_seen_and_do_not_stop_the_work(
    kafka: str, domain: Domain, source: Source, publisher: Publisher, tmp_path: Path
) -> None:
    with Worker(kafka, domain, tmp_path) as worker:
        worker.start()
        publisher.publish_all(source, 30_000, batch=300, abort_every=6)
        publisher.watermark(source.position)
        wait_until_folded(kafka, domain, source)
    assert_tables_equal_ledger(kafka, domain, source.ledger)
    assert read(kafka, domain.held_topic, domain.dead_letters_topic) == []
