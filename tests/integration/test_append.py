"""The event store of Postgres under races, kills and outages."""

import subprocess
import sys
import threading
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import psycopg2
import pytest

from producers import PostgresEventStore
from producers.store import StoredEvent
from producers.store.hashing import NO_HASH, append_digest, event_hash
from schemas import Domain, Unavailable, discover
from tests.architecture.source import ROOT
from tests.pipeline import until
from tests.proxy import proxy_of
from tests.writes import Writer


@pytest.fixture
def orders() -> Domain:
    return discover("append")["orders"]


@pytest.fixture
def store(postgres: str, orders: Domain) -> Iterator[PostgresEventStore]:
    made = PostgresEventStore(postgres, orders)
    yield made
    made.close()


def start(url: str, orders: Domain, name: str, first: int, last: int, point: str = "") -> "subprocess.Popen[str]":
    arguments = [url, orders.namespace, name, str(first), str(last), *([point] if point else [])]
    return subprocess.Popen(
        [sys.executable, "-m", "tests.integration.append_process", *arguments],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def verify(orders: Domain, events: list[StoredEvent], digest: bytes) -> None:
    """Positions dense, versions dense, chain and digest as recomputed."""
    assert [event.position for event in events] == list(range(1, len(events) + 1))
    tips: dict[str, tuple[int, bytes]] = defaultdict(lambda: (0, NO_HASH))
    appends: dict[datetime, list[StoredEvent]] = defaultdict(list)
    for e in events:
        version, tip = tips[e.stream]
        assert e.version == version + 1
        assert e.hash == event_hash(tip, orders.key, e.stream, e.version, e.id, e.partition_key, e.data)
        tips[e.stream] = (e.version, e.hash)
        appends[e.time].append(e)
    assert list(appends) == sorted(appends)
    rolling = NO_HASH
    for time, group in appends.items():
        hashes, marks = [event.hash for event in group], [event.watermark for event in group]
        rolling = append_digest(rolling, group[0].position, time, hashes, marks)
    assert rolling == digest


def test_two_racing_processes_leave_dense_positions_and_each_order_once(
    store: PostgresEventStore, postgres: str, orders: Domain
) -> None:
    racers = [start(postgres, orders, name, first, last) for name, first, last in (("a", 0, 600), ("b", 300, 900))]
    outputs = [racer.communicate(timeout=120) for racer in racers]
    assert [racer.returncode for racer in racers] == [0, 0], outputs
    outcomes = Counter(line for out, _ in outputs for line in out.split())
    assert outcomes == {"accepted": 1800, "order-already-placed": 300, "order-already-paid": 300}
    events = store.read(0, 10_000)
    assert Counter(event.type for event in events) == {"OrderPlaced": 900, "OrderPaid": 900}
    assert {event.command[0] for event in events} == {"a", "b"}
    verify(orders, events, store.head().digest)


@pytest.mark.parametrize("point", ["append.sent:5", "append.committed:5"])
def test_a_process_killed_around_a_commit_stores_each_event_once_when_its_commands_come_again(
    store: PostgresEventStore, postgres: str, orders: Domain, point: str
) -> None:
    killed = start(postgres, orders, "a", 0, 20_000, point)
    _, errors = killed.communicate(timeout=120)
    assert killed.returncode == -9
    assert f"crash point {point[:-2]} reached" in errors
    before = store.head().position
    assert before > 0
    again = start(postgres, orders, "a", 0, 20_000)
    output, errors = again.communicate(timeout=120)
    assert again.returncode == 0, errors
    assert Counter(output.split()) == {"accepted": 40_000}
    events = store.read(0, 100_000)
    assert len(events) == 40_000
    verify(orders, events, store.head().digest)


def test_several_threads_may_append_at_once(store: PostgresEventStore, orders: Domain) -> None:
    def work(name: str) -> None:
        writer = Writer(orders)
        for n in range(30):
            store.append([writer.write(f"{name}-{n % 3}", events=2) for _ in range(5)])

    threads = [threading.Thread(target=work, args=(name,)) for name in "abcdef"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    events = store.read(0, 10_000)
    assert len(events) == 6 * 30 * 10
    verify(orders, events, store.head().digest)


def test_domains_and_namespaces_share_a_database_without_sharing_positions(postgres: str) -> None:
    for namespace in ("one", "two"):
        domain = discover(namespace)["orders"]
        store = PostgresEventStore(postgres, domain)
        store.append([Writer(domain).write("same"), Writer(domain).write("other")])
        assert store.head().position == 2
        assert [event.position for event in store.read(0, 10)] == [1, 2]
        store.close()


def test_a_store_that_lost_its_database_says_so_and_goes_on_when_it_is_back(postgres: str, orders: Domain) -> None:
    with proxy_of(postgres) as proxy:
        store, writer = PostgresEventStore(proxy.url(postgres), orders), Writer(orders)
        store.append([writer.write("a")])
        proxy.cut()
        for _ in range(3):
            with pytest.raises(Unavailable) as caught:
                store.head()
            assert caught.value.retry_after is not None
        proxy.mend()

        def answers() -> bool:
            try:
                return store.head().position == 1
            except Unavailable:
                return False

        until(answers, 10)
        assert [outcome.kind for outcome in store.append([writer.write("a")])] == ["accepted"]
        store.close()


def test_an_append_that_waits_too_long_for_the_head_gives_up(
    store: PostgresEventStore, postgres: str, orders: Domain
) -> None:
    writer = Writer(orders)
    store.append([writer.write("a")])
    holder = psycopg2.connect(postgres)
    with holder.cursor() as cursor:
        cursor.execute("SELECT position FROM heads FOR UPDATE")
        with pytest.raises(Unavailable, match="lock timeout"):
            store.append([writer.write("b")])
    holder.close()
    store.append([Writer(orders).write("c")])
    assert [event.stream for event in store.read(0, 10)] == ["a", "c"]


def test_the_log_shows_events_as_json_to_people(store: PostgresEventStore, postgres: str, orders: Domain) -> None:
    store.append([Writer(orders).write("a", command="c", data='{"text":"grün"}'.encode())])
    connection = psycopg2.connect(postgres)
    with connection.cursor() as cursor:
        cursor.execute("SELECT domain, position, id, data ->> 'text' FROM event_log")
        assert cursor.fetchall() == [("append.orders", 1, "c:1", "grün")]
    connection.close()


def test_an_append_larger_than_memory_for_sorting_and_of_many_streams_is_stored_whole(
    store: PostgresEventStore, orders: Domain
) -> None:
    writer = Writer(orders)
    data = b'{"x":"' + b"y" * 2000 + b'"}'
    outcomes = store.append([writer.write(f"s{n % 1500}", events=2, data=data) for n in range(3000)])
    assert {outcome.kind for outcome in outcomes} == {"accepted"}
    verify(orders, store.read(0, 10_000), store.head().digest)


def test_the_watermark_never_goes_back_though_a_domain_allows_for_more_lateness(
    postgres: str, store: PostgresEventStore, orders: Domain
) -> None:
    day, writer = 86_400_000_000, Writer(orders)
    store.append([writer.write("a", happened=10 * day)])
    patient = PostgresEventStore(postgres, replace(orders, allowed_lateness=timedelta(days=3)))
    patient.append([writer.write("a", happened=12 * day), writer.write("a", happened=14 * day)])
    patient.close()
    found = [(event.watermark - datetime(1970, 1, 1, tzinfo=UTC)).days for event in store.read(0, 10)]
    assert found == [10, 10, 11]
