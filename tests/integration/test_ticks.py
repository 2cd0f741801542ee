"""Tick events of quiet domains, on a real database."""

import multiprocessing
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import msgspec
import pytest

from infra import topics
from producers import PostgresEventStore
from producers.store import StoredEvent
from producers.store.connections import APPENDER, Connections
from producers.store.hashing import event_hash, microseconds
from producers.upkeep.ticks import STREAM, run_ticks, tick
from schemas import Domain, Ticked, arm
from tests.integration.relayed import complete, relaying
from tests.meters import meters
from tests.pipeline import until
from tests.writes import Writer

AT = datetime(2026, 1, 1, tzinfo=UTC)
SOON = timedelta(milliseconds=200)


@pytest.fixture
def quiet(namespace: str) -> Domain:
    return meters(namespace, tick_after=SOON)


@pytest.fixture
def store(postgres: str, quiet: Domain) -> Iterator[PostgresEventStore]:
    made = PostgresEventStore(postgres, quiet)
    yield made
    made.close()


@contextmanager
def ticking(postgres: str, *domains: Domain) -> Iterator[None]:
    stop = threading.Event()
    thread = threading.Thread(target=run_ticks, args=(domains, postgres, stop))
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(20)
        assert not thread.is_alive()


def measured(writer: Writer, store: PostgresEventStore, at: datetime) -> None:
    data = msgspec.json.encode({"type": "Measured", "sensor": "s", "value": 1, "at": at})
    assert store.append([writer.write("s", happened=microseconds(at), data=data)])[0].kind == "accepted"


def ticks(store: PostgresEventStore) -> list[StoredEvent]:
    return [event for event in store.read(0, 1000) if event.stream == STREAM]


def instant(event: StoredEvent) -> datetime:
    return msgspec.json.decode(event.data, type=Ticked).at


def test_the_event_time_of_a_quiet_domain_goes_on_with_the_clock_from_where_it_stood(
    store: PostgresEventStore, postgres: str, quiet: Domain
) -> None:
    measured(Writer(quiet), store, AT)
    with ticking(postgres, quiet):
        until(lambda: len(ticks(store)) >= 3, 20)
    before = store.read(0, 1)[0]
    for event in ticks(store):
        assert event.time - before.time >= SOON
        passed = instant(event) - (AT if before.position == 1 else instant(before))
        assert SOON <= passed <= event.time - before.time
        assert event.watermark == instant(event) - quiet.allowed_lateness
        before = event
    assert [event.position for event in store.read(0, 1000)] == list(range(1, before.position + 1))


def test_ticks_are_chained_like_all_events(store: PostgresEventStore, postgres: str, quiet: Domain) -> None:
    measured(Writer(quiet), store, AT)
    with ticking(postgres, quiet):
        until(lambda: len(ticks(store)) >= 2, 20)
    last = bytes(32)
    for version, e in enumerate(ticks(store), 1):
        last = event_hash(last, quiet.key, STREAM, version, e.id, e.partition_key, e.data)
        assert (e.version, e.hash) == (version, last)


def test_a_domain_without_events_or_with_fresh_ones_gets_no_tick(
    store: PostgresEventStore, postgres: str, quiet: Domain
) -> None:
    connections = Connections(postgres, 1, APPENDER)
    assert not tick(quiet, timedelta(0), connections)
    measured(Writer(quiet), store, AT)
    assert not tick(quiet, timedelta(hours=1), connections)
    assert tick(quiet, timedelta(0), connections)
    assert len(ticks(store)) == 1
    connections.close()


def test_many_processes_append_one_tick_an_interval(store: PostgresEventStore, postgres: str, quiet: Domain) -> None:
    measured(Writer(quiet), store, AT)
    context = multiprocessing.get_context("spawn")
    others = [context.Process(target=_tick_for_ever, args=(postgres, quiet.namespace)) for _ in range(2)]
    for other in others:
        other.start()
    try:
        with ticking(postgres, quiet), ticking(postgres, quiet):
            until(lambda: len(ticks(store)) >= 25, 40)
    finally:
        for other in others:
            other.kill()
            other.join()
    times = [event.time for event in store.read(0, 1000)]
    assert all(later - time >= SOON for time, later in pairwise(times))


def _tick_for_ever(postgres: str, namespace: str) -> None:
    run_ticks([meters(namespace, tick_after=SOON)], postgres, threading.Event())


def test_a_tick_whose_process_died_before_it_was_appended_is_made_by_the_next(
    store: PostgresEventStore, postgres: str, quiet: Domain
) -> None:
    measured(Writer(quiet), store, AT)
    process = multiprocessing.get_context("spawn").Process(target=_die_at_tick, args=(postgres, quiet.namespace))
    process.start()
    process.join(30)
    assert process.exitcode == -9
    assert ticks(store) == []
    with ticking(postgres, quiet):
        until(lambda: ticks(store), 20)


def _die_at_tick(postgres: str, namespace: str) -> None:
    arm("tick.due")
    _tick_for_ever(postgres, namespace)


def test_a_tick_reaches_every_partition_with_its_watermark(
    store: PostgresEventStore, postgres: str, kafka: str, quiet: Domain
) -> None:
    topics.declare(kafka, [quiet])
    measured(Writer(quiet), store, AT)
    connections = Connections(postgres, 1, APPENDER)
    tick(quiet, timedelta(0), connections)
    connections.close()
    [event] = ticks(store)
    with relaying(quiet, postgres, kafka):
        topic = complete(kafka, quiet, event.position)
    [(own, _, envelope)] = [entry for entry in topic.events if entry[2].position == event.position]
    assert envelope.data == Ticked(at=instant(event))
    assert envelope.watermark == event.watermark
    for partition in set(range(quiet.partitions)) - {own}:
        assert topic.controls[partition][-1].watermark == event.watermark


def test_a_ticker_waits_for_a_database_and_ends_when_it_is_told_to(quiet: Domain) -> None:
    with ticking("postgresql://nobody@127.0.0.1:1/none", quiet):
        pass


def test_a_domain_that_ticks_lists_the_tick_among_its_events() -> None:
    with pytest.raises(ValueError, match=r"must list schemas\.Ticked"):
        meters(events=meters().events[:1])
    with pytest.raises(ValueError, match="tick_after must be longer than nothing"):
        meters(tick_after=timedelta(0))
