"""The relay: what it publishes, and that a wrong history stops it."""

import threading
import time
from collections.abc import Iterator
from contextlib import closing

import psycopg2
import pytest
from confluent_kafka import Producer

from infra import topics
from producers import PostgresEventStore, Request
from producers.relay import run_relay
from producers.relay.partitioner import partition_of
from producers.store import NewEvent, Write
from producers.store.hashing import NO_HASH
from schemas import Domain, Fatal, discover, encode, event_decoder
from schemas.orders import CancelOrder, OrderCancelled
from tests.integration.relayed import append, complete, paid_orders, read, relaying
from tests.order_commands import DAY, money, place
from tests.pipeline import until
from tests.proxy import proxy_of


@pytest.fixture
def store(postgres: str, domain: Domain) -> Iterator[PostgresEventStore]:
    made = PostgresEventStore(postgres, domain)
    yield made
    made.close()


def test_every_event_is_published_once_as_it_was_stored(
    store: PostgresEventStore, postgres: str, kafka: str, domain: Domain
) -> None:
    append(store, domain, paid_orders(0, 200))
    reason = 'said "no\\n", \u0000 and grün 🙂'
    traced = Request(
        CancelOrder(order_id="o7", reason=reason, at=DAY.replace(day=2)),
        "cancelled",
        correlation="case-7",
        traceparent="00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
    )
    append(store, domain, [traced])
    with relaying(domain, postgres, kafka):
        topic = complete(kafka, domain, 401)
    stored = {event.position: event for event in store.read(0, 1000)}
    for partition, key, found in topic.events:
        event = stored[found.position]
        assert (found.id, found.type, found.subject, found.sequence) == (
            event.id,
            event.type,
            event.stream,
            event.version,
        )
        assert (found.time, found.watermark, found.hash) == (event.time, event.watermark, event.hash.hex())
        assert found.data == event_decoder(domain).decode(event.data)
        assert (found.correlationid, found.causationid) == (event.correlation or event.command, event.command)
        assert key == found.partitionkey.encode() == event.partition_key.encode()
        assert partition == partition_of(key, domain.partitions)
        assert found.source == f"headrace/{domain.key}"
    cancelled = next(found for _, _, found in topic.events if found.id == "cancelled:1")
    assert (cancelled.correlationid, cancelled.traceparent) == ("case-7", traced.traceparent)
    assert cancelled.data.reason == reason
    assert len({partition for partition, _, _ in topic.events}) == domain.partitions


def test_what_is_appended_while_the_relay_runs_arrives_within_a_moment(
    store: PostgresEventStore, postgres: str, kafka: str, domain: Domain
) -> None:
    with relaying(domain, postgres, kafka):
        append(store, domain, [Request(place("first"), "first")])
        complete(kafka, domain, 1)
        for n in range(5):
            started = time.monotonic()
            append(store, domain, [Request(place(f"o{n}"), f"id-{n}")])
            complete(kafka, domain, n + 2)
            assert time.monotonic() - started < 5


def test_control_records_carry_the_time_and_watermark_of_their_position(
    store: PostgresEventStore, postgres: str, kafka: str, domain: Domain
) -> None:
    append(store, domain, paid_orders(0, 100))
    with relaying(domain, postgres, kafka):
        topic = complete(kafka, domain, 200)
    stored = {event.position: event for event in store.read(0, 1000)}
    controls = [control for found in topic.controls.values() for control in found]
    assert len(controls) >= domain.partitions - 1
    for control in controls:
        event = stored[control.position]
        assert (control.time, control.watermark) == (event.time, event.watermark)


def test_an_append_that_is_larger_than_a_batch_is_published(
    store: PostgresEventStore, postgres: str, kafka: str, domain: Domain
) -> None:
    event = OrderCancelled(order_id="o", reason="x" * 1000, items=1, total=money(), at=DAY)
    data = encode(event)
    new = NewEvent("OrderCancelled", data, 0, bytes(32))
    store.append([Write(f"c{n}", bytes(16), f"s{n}", 0, NO_HASH, f"k{n % 9}", (new,) * 6) for n in range(2000)])
    store.append([Write("last", bytes(16), "last", 0, NO_HASH, "k", (new,))])
    with relaying(domain, postgres, kafka):
        complete(kafka, domain, 12_001)


def test_a_relay_that_lost_its_database_goes_on_when_it_is_back(
    store: PostgresEventStore, postgres: str, kafka: str, domain: Domain
) -> None:
    with proxy_of(postgres) as proxy, relaying(domain, proxy.url(postgres), kafka):
        append(store, domain, paid_orders(0, 50))
        complete(kafka, domain, 100)
        proxy.cut()
        append(store, domain, paid_orders(50, 100))
        proxy.mend()
        complete(kafka, domain, 200)


@pytest.mark.parametrize("turn", [0, 1])
def test_a_relay_that_was_fenced_finds_out_what_was_published_and_goes_on(
    turn: int, store: PostgresEventStore, postgres: str, kafka: str, domain: Domain
) -> None:
    with relaying(domain, postgres, kafka):
        append(store, domain, paid_orders(0, 50))
        complete(kafka, domain, 100)
        intruder = Producer({"bootstrap.servers": kafka, "transactional.id": domain.relay_transactional_ids[turn]})
        intruder.init_transactions(30)
        append(store, domain, paid_orders(50, 100))
        complete(kafka, domain, 200)
        intruder.close()


@pytest.mark.parametrize("left", ["aborted", "open"])
@pytest.mark.parametrize("turn", [0, 1])
def test_records_of_aborted_and_open_transactions_disturb_nothing(
    left: str, turn: int, store: PostgresEventStore, postgres: str, kafka: str, domain: Domain
) -> None:
    producer = Producer({"bootstrap.servers": kafka, "transactional.id": domain.relay_transactional_ids[turn]})
    producer.init_transactions(30)
    producer.begin_transaction()
    for topic in (domain.events_topic, domain.checkpoints_topic):
        producer.produce(topic, b'{"position":77,"digest":"abc"}', b"relay", 0)
    producer.flush(30)
    if left == "aborted":
        producer.abort_transaction(30)
    append(store, domain, paid_orders(0, 20))
    with relaying(domain, postgres, kafka):
        complete(kafka, domain, 40)
    producer.purge()


def _change(postgres: str, statement: str) -> None:
    connection = psycopg2.connect(postgres)
    with connection, connection.cursor() as cursor:
        cursor.execute("SET session_replication_role = replica")  # else a trigger refuses it
        cursor.execute(statement)
    connection.close()


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE events SET digest = sha256(digest) WHERE position = 40",
        "DELETE FROM events WHERE position > 30",
        "DELETE FROM events",
    ],
)
def test_a_database_with_another_history_is_refused(
    store: PostgresEventStore, postgres: str, kafka: str, domain: Domain, change: str
) -> None:
    append(store, domain, paid_orders(0, 20))
    with relaying(domain, postgres, kafka):
        complete(kafka, domain, 40)
    _change(postgres, change)
    with pytest.raises(Fatal, match="restored or replaced") as caught:
        run_relay([domain], postgres, kafka, threading.Event())
    assert caught.value.rule == "history-differs"
    assert sorted(read(kafka, domain).positions) == list(range(1, 41))


def test_a_missing_event_stops_the_relay_before_it(
    store: PostgresEventStore, postgres: str, kafka: str, domain: Domain
) -> None:
    append(store, domain, paid_orders(0, 20))
    with relaying(domain, postgres, kafka):
        complete(kafka, domain, 40)
    append(store, domain, paid_orders(20, 40))
    _change(postgres, "DELETE FROM events WHERE position = 60")
    with pytest.raises(Fatal, match=r"no event of .* at position 60"):
        run_relay([domain], postgres, kafka, threading.Event())


def test_a_relay_without_topics_says_so_and_begins_once_they_are_declared(
    postgres: str, kafka: str, namespace: str, caplog: pytest.LogCaptureFixture
) -> None:
    domain = discover(namespace)["orders"]
    with closing(PostgresEventStore(postgres, domain)) as store, relaying(domain, postgres, kafka):
        append(store, domain, paid_orders(0, 10))
        until(lambda: f"topic {domain.checkpoints_topic} does not exist: declare the topics" in caplog.text)
        topics.declare(kafka, [domain])
        complete(kafka, domain, 20)


def test_a_relay_stops_when_it_is_told_to_while_its_servers_are_down(domain: Domain) -> None:
    stop = threading.Event()
    thread = threading.Thread(
        target=run_relay, args=([domain], "postgresql://nobody@127.0.0.1:1/none", "127.0.0.1:1", stop)
    )
    thread.start()
    until(thread.is_alive, 5)
    stop.set()
    thread.join(10)
    assert not thread.is_alive()
