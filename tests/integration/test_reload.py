"""A new epoch: events and rollups are loaded anew beside the live tables, exchanged, and the sinks go on."""

import signal
import subprocess
import sys
import threading
from collections.abc import Callable

import pytest
from confluent_kafka import Consumer, TopicPartition

from schemas import Domain, Fatal
from sinks.reload import Reload, Reloaded
from tests.architecture.source import ROOT
from tests.integration.loaded import Loaded, publish
from tests.integration.order_source import Publisher, Source
from tests.pipeline import Pipeline


def _spoil(loaded: Loaded, source: Source) -> None:
    """What no sink would ever do: rows are lost, and others counted twice in the rollup."""
    loaded.rows("DELETE FROM {events}.events WHERE position % 7 = 0 SETTINGS lightweight_deletes_sync = 2")
    loaded.rows("INSERT INTO {events}.events SELECT * FROM {events}.events WHERE position % 5 = 0")
    with pytest.raises(AssertionError):
        loaded.assert_exact(source)


@pytest.fixture
def reload(kafka: str, clickhouse: str, domain: Domain) -> Callable[[], Reloaded | None]:
    return lambda: Reload(kafka, clickhouse, domain, lambda *_: None).run(threading.Event(), patience=0)


def test_spoilt_tables_are_loaded_anew_while_the_sinks_go_on_and_are_exact_afterwards(
    pipeline: Pipeline, publisher: Publisher, source: Source, loaded: Loaded, reload: Callable[[], Reloaded | None]
) -> None:
    publisher.publish([("customer-1", b"no event")])
    publish(publisher, source, 1_000, batch=50)
    pipeline.start("sink")
    loaded.wait(source.position)
    _spoil(loaded, source)
    assert reload() == Reloaded(source.position, source.position)
    loaded.assert_exact(source)
    publish(publisher, source, 500, batch=50)
    loaded.wait(source.position)
    loaded.assert_exact(source)
    assert loaded.rows("SELECT value FROM {events}.quarantine") == [("no event",)]
    assert not loaded.rows("SELECT name FROM system.databases WHERE startsWith(name, '{events}_reload')")


def test_offsets_that_were_set_back_are_mended_and_a_topic_with_a_gap_is_not_exchanged(
    pipeline: Pipeline,
    publisher: Publisher,
    source: Source,
    loaded: Loaded,
    kafka: str,
    domain: Domain,
    reload: Callable[[], Reloaded | None],
) -> None:
    publish(publisher, source, 300, batch=50)
    pipeline.start("sink")
    loaded.wait(source.position)
    pipeline.stop("sink")
    topic = domain.events_topic
    consumer = Consumer({"bootstrap.servers": kafka, "group.id": domain.sink_group(topic), "enable.auto.commit": False})
    [before] = consumer.committed([TopicPartition(topic, 0)], timeout=10)
    consumer.commit(offsets=[TopicPartition(topic, 0, 3, metadata=before.metadata)], asynchronous=False)
    consumer.close()
    assert reload() == Reloaded(300, 300)
    source.position += 1
    publish(publisher, source, 10)
    pipeline.start("sink")
    loaded.wait(source.position)
    with pytest.raises(Fatal, match=r"has 310 events, 310 different ones, up to position 311"):
        reload()
    assert loaded.rows("SELECT count() FROM {events}.events") == [(310,)]


def test_killed_at_each_of_its_points_the_next_call_goes_on(
    pipeline: Pipeline, publisher: Publisher, source: Source, loaded: Loaded, domain: Domain
) -> None:
    publish(publisher, source, 1_000, batch=50)
    pipeline.start("sink")
    loaded.wait(source.position)
    at = pipeline.addresses
    command = [sys.executable, "-m", "tests.integration.reload_process", at.kafka, at.clickhouse, domain.namespace]
    for point in ("load.inserted:2", "reload.proven", "reload.table:1", "reload.table:1", "reload.exchanged", ""):
        done = subprocess.run([*command, point], cwd=ROOT, capture_output=True, text=True, timeout=120)
        assert done.returncode == (-signal.SIGKILL if point else 0), (point, done.stderr)
        if point == "reload.proven":
            _spoil(loaded, source)
            publish(publisher, source, 500, batch=50)
    assert done.stdout.split() == ["1000", "1000"]
    loaded.wait(source.position)
    loaded.assert_exact(source)
