"""The sink on the real engines: every event once in table and rollup, whatever happens to it; else it stops."""

import signal

import httpx
from confluent_kafka import Consumer, TopicPartition
from confluent_kafka.admin import AdminClient

from schemas import Domain
from tests.integration.loaded import Loaded, forget_offsets, publish
from tests.integration.order_source import Publisher, Source
from tests.pipeline import Pipeline


def test_every_event_is_loaded_once_though_transactions_are_aborted(
    pipeline: Pipeline, publisher: Publisher, source: Source, loaded: Loaded
) -> None:
    publish(publisher, source, 5_000, batch=100, abort_every=6)
    pipeline.start("sink")
    loaded.wait(source.position)
    publish(publisher, source, 2_000, batch=10, abort_every=6)
    loaded.wait(source.position)
    loaded.assert_exact(source)
    pipeline.stop()


def test_two_sinks_share_the_partitions_and_one_takes_over_from_the_other(
    pipeline: Pipeline, publisher: Publisher, source: Source, loaded: Loaded
) -> None:
    pipeline.start("sink", "sink.2")
    publish(publisher, source, 3_000, batch=100)
    loaded.wait(source.position)
    pipeline.kill("sink")
    publish(publisher, source, 3_000, batch=100)
    loaded.wait(source.position)
    pipeline.start("sink")
    publish(publisher, source, 3_000, batch=100)
    pipeline.stop("sink.2")
    publish(publisher, source, 1_000, batch=100)
    loaded.wait(source.position)
    loaded.assert_exact(source)


def test_a_sink_that_slept_while_another_took_over_changes_nothing_when_it_wakes(
    pipeline: Pipeline, publisher: Publisher, source: Source, loaded: Loaded
) -> None:
    pipeline.start("sink", "sink.2")
    publish(publisher, source, 1_000, batch=20)
    loaded.wait(source.position)
    sleeper = pipeline.running["sink"]
    for _ in range(2):
        publisher.publish_all(source, 1_000, batch=20)
        sleeper.send_signal(signal.SIGSTOP)
        publish(publisher, source, 1_000, batch=20)
        loaded.wait(source.position)
        sleeper.send_signal(signal.SIGCONT)
        publish(publisher, source, 1_000, batch=20)
    loaded.wait(source.position)
    loaded.assert_exact(source)


def test_a_record_that_is_no_event_goes_to_quarantine_with_its_bytes(
    pipeline: Pipeline, publisher: Publisher, source: Source, loaded: Loaded
) -> None:
    good = list(source.events(50))
    unknown = good[10][1].replace(b"Order", b"Odder")
    publisher.publish([*good, ("customer-1", b'{"half'), (None, b"no key, no event"), ("customer-2", unknown)])
    publisher.watermark(source.position)
    pipeline.start("sink")
    loaded.wait(source.position)
    loaded.assert_exact(source)
    found = {value for (value,) in loaded.rows("SELECT value FROM {events}.quarantine")}
    assert found == {'{"half', "no key, no event", unknown.decode()}


def _load_and_stop(pipeline: Pipeline, publisher: Publisher, source: Source, loaded: Loaded) -> None:
    publish(publisher, source, 500, batch=100)
    pipeline.start("sink")
    loaded.wait(source.position)
    pipeline.stop("sink")


def _assert_stops(pipeline: Pipeline, sentence: str) -> None:
    pipeline.start("sink")
    assert pipeline.running["sink"].wait(30) == 1
    assert sentence in pipeline.log("sink")
    assert "Traceback" not in pipeline.log("sink")


def _commit(kafka: str, domain: Domain, offset: int, metadata: str | None) -> str:
    """Commit for the sink's group, as another program would; answers the metadata that was there."""
    topic = domain.events_topic
    consumer = Consumer({"bootstrap.servers": kafka, "group.id": domain.sink_group(topic), "enable.auto.commit": False})
    [before] = consumer.committed([TopicPartition(topic, 0)], timeout=10)
    given = before.metadata if metadata is None else metadata
    consumer.commit(offsets=[TopicPartition(topic, 0, offset, metadata=given)], asynchronous=False)
    consumer.close()
    return str(before.metadata)


def test_offsets_that_somebody_else_committed_stop_it(
    pipeline: Pipeline, publisher: Publisher, source: Source, loaded: Loaded, domain: Domain, kafka: str
) -> None:
    _load_and_stop(pipeline, publisher, source, loaded)
    _commit(kafka, domain, 0, "")
    _assert_stops(pipeline, "carries no bounds of this sink")
    loaded.assert_exact(source)


def test_offsets_that_were_set_back_stop_it(
    pipeline: Pipeline, publisher: Publisher, source: Source, loaded: Loaded, domain: Domain, kafka: str
) -> None:
    _load_and_stop(pipeline, publisher, source, loaded)
    _commit(kafka, domain, 3, None)
    _assert_stops(pipeline, "the offsets were set back")
    loaded.assert_exact(source)


def test_offsets_that_expired_stop_it(
    pipeline: Pipeline, publisher: Publisher, source: Source, loaded: Loaded, domain: Domain, kafka: str
) -> None:
    _load_and_stop(pipeline, publisher, source, loaded)
    forget_offsets(kafka, domain)
    _assert_stops(pipeline, "the group has no committed offset")
    loaded.assert_exact(source)


def test_records_that_were_trimmed_before_they_were_loaded_stop_it(
    pipeline: Pipeline, publisher: Publisher, source: Source, loaded: Loaded, domain: Domain, kafka: str
) -> None:
    _load_and_stop(pipeline, publisher, source, loaded)
    publish(publisher, source, 500, batch=100)
    admin = AdminClient({"bootstrap.servers": kafka})
    places = [TopicPartition(domain.events_topic, n, -1) for n in range(domain.partitions)]
    for future in admin.delete_records(places).values():
        future.result(30)
    _assert_stops(pipeline, "were trimmed before they were loaded")


def test_a_token_read_is_refused_while_only_the_aggregates_lag(pipeline: Pipeline) -> None:
    pipeline.start("relay", "sink", "api")  # no worker: events are loaded, aggregates are not
    price = {"amount": "1.00", "currency": "USD"}
    order = {
        "order_id": "o-1",
        "customer_id": "c-1",
        "total": price,
        "lines": [{"sku": None, "quantity": 1, "price": price}],
    }
    token = httpx.post(f"{pipeline.url}/api/orders/", json=order).json()["token"]
    fresh = {"consistency": "token", "token": token, "timeout": "20"}
    log = httpx.get(f"{pipeline.url}/api/orders/o-1/log", params=fresh, timeout=30)
    assert log.status_code == 200, log.text
    assert [event["type"] for event in log.json()["data"]] == ["OrderPlaced"]
    refused = httpx.get(f"{pipeline.url}/api/orders/o-1", params={**fresh, "timeout": "1"}, timeout=30)
    assert refused.status_code == 503
    assert refused.json()["rule"] == "not-yet-visible"
    pipeline.start("worker")
    assert httpx.get(f"{pipeline.url}/api/orders/o-1", params=fresh, timeout=30).status_code == 200
