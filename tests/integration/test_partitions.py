"""Partitions of the events: made ahead, by racing sessions, and after a kill; what is stored cannot be changed."""

import threading
from collections.abc import Callable, Iterator

import psycopg2
import pytest
from psycopg2.extensions import connection as Connection  # noqa: N812

from producers import PostgresEventStore
from producers.sql import query
from schemas import Domain, Unavailable, discover
from tests.pipeline import until
from tests.writes import Writer

_SIZE = 40


@pytest.fixture
def url(postgres: str) -> str:
    """A database whose new partitions hold forty positions."""
    connection = psycopg2.connect(postgres)
    with connection, connection.cursor() as cursor:
        cursor.execute(
            f"CREATE OR REPLACE FUNCTION partition_size() RETURNS bigint LANGUAGE sql IMMUTABLE RETURN {_SIZE}"
        )
    connection.close()
    return postgres


@pytest.fixture
def sql(url: str) -> Iterator[Connection]:
    """A session of the superuser."""
    made = psycopg2.connect(url)
    made.autocommit = True
    yield made
    made.close()


@pytest.fixture
def open_store(url: str) -> Iterator[Callable[[Domain], PostgresEventStore]]:
    stores: list[PostgresEventStore] = []

    def make(domain: Domain) -> PostgresEventStore:
        stores.append(PostgresEventStore(url, domain))
        return stores[-1]

    yield make
    for store in stores:
        store.close()


def rows(sql: Connection, statement: str, *values: object) -> list[tuple[object, ...]]:
    with sql.cursor() as cursor:
        cursor.execute(statement, values or None)
        return cursor.fetchall() if cursor.description else []


def leaves(sql: Connection) -> list[str]:
    return [str(name) for (name,) in rows(sql, "SELECT relid FROM pg_partition_tree('events') WHERE isleaf ORDER BY 1")]


def scanned(plan: object) -> set[str]:
    """The tables that a plan (EXPLAIN, JSON) reads."""
    if isinstance(plan, list):
        return set().union(*map(scanned, plan))
    if not isinstance(plan, dict):
        return set()
    own = {plan["Relation Name"]} if plan.get("Actual Loops", 1) and "Relation Name" in plan else set()
    return own.union(*(scanned(plan[key]) for key in ("Plan", "Plans") if key in plan))


def test_appends_go_on_over_the_ends_of_partitions_which_are_made_ahead(
    open_store: Callable[[Domain], PostgresEventStore], sql: Connection
) -> None:
    domain = discover("parts")["orders"]
    store, writer = open_store(domain), Writer(domain)
    for _ in range(30):
        store.append([writer.write(f"s{n}", events=2) for n in range(5)])
        [(position, room)] = rows(sql, "SELECT position, room FROM heads")
        assert isinstance(position, int)
        assert isinstance(room, int)
        assert room >= position
    assert [event.position for event in store.read(0, 1000)] == list(range(1, 301))
    assert [event.position for event in store.read(75, 10)] == list(range(76, 86))
    assert {
        name: len(history.events) for name, history in store.load({f"s{n}": 0 for n in range(5)}).streams.items()
    } == {f"s{n}": 60 for n in range(5)}
    counts = rows(sql, "SELECT tableoid::regclass::text, min(position), count(*) FROM events GROUP BY 1 ORDER BY 2")
    assert [(first, count) for _, first, count in counts] == [(n * _SIZE + 1, 40 if n < 7 else 20) for n in range(8)]
    assert len(leaves(sql)) in (8, 9)


def test_one_append_may_be_larger_than_a_partition(open_store: Callable[[Domain], PostgresEventStore]) -> None:
    domain = discover("parts")["orders"]
    store, writer = open_store(domain), Writer(domain)
    outcomes = store.append([writer.write(f"s{n}", events=3) for n in range(100)])
    assert {outcome.kind for outcome in outcomes} == {"accepted"}
    assert len(store.read(0, 1000)) == 300


def test_a_domain_with_a_name_of_any_length_gets_tables(
    open_store: Callable[[Domain], PostgresEventStore], sql: Connection
) -> None:
    for namespace in ("n" * 150 + "a", "n" * 150 + "b"):
        domain = discover(namespace)["orders"]
        store = open_store(domain)
        store.append([Writer(domain).write("s")])
        assert len(store.read(0, 10)) == 1
    assert len(leaves(sql)) == 2


def test_new_domains_and_full_partitions_do_not_wait_for_each_other_for_ever(
    open_store: Callable[[Domain], PostgresEventStore], sql: Connection
) -> None:
    domains = [discover(f"race{n}")["orders"] for n in range(6)]
    failures: list[BaseException] = []

    def work(domain: Domain, name: str) -> None:
        store, writer = open_store(domain), Writer(domain)
        try:
            for n in range(20):
                store.append([writer.write(f"{name}-{n % 3}", events=2) for _ in range(5)])
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=work, args=(domain, name)) for domain in domains for name in "ab"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert failures == []
    for domain in domains:
        assert [event.position for event in open_store(domain).read(0, 1000)] == list(range(1, 401))
    assert rows(sql, "SELECT count(*) FROM heads") == [(6,)]


def test_an_open_reader_does_not_keep_partitions_from_being_made(
    open_store: Callable[[Domain], PostgresEventStore], sql: Connection
) -> None:
    domain = discover("parts")["orders"]
    store, writer = open_store(domain), Writer(domain)
    store.append([writer.write("s")])
    rows(sql, "BEGIN ISOLATION LEVEL REPEATABLE READ")
    assert rows(sql, "SELECT count(*) FROM events") == [(1,)]
    for _ in range(20):
        store.append([writer.write("s", events=10)])
    assert open_store(discover("other")["orders"]).append([Writer(domain).write("s")])
    assert rows(sql, "SELECT count(*) FROM events") == [(1,)]
    rows(sql, "COMMIT")


def test_while_the_parent_is_locked_appends_go_on_as_long_as_there_is_room(
    open_store: Callable[[Domain], PostgresEventStore], sql: Connection
) -> None:
    domain = discover("parts")["orders"]
    store, writer = open_store(domain), Writer(domain)
    store.append([writer.write("s", events=20)])
    rows(sql, "BEGIN")
    rows(sql, "LOCK TABLE ONLY events_1 IN SHARE UPDATE EXCLUSIVE MODE")
    for _ in range(4):
        store.append([writer.write("s", events=5)])
    with pytest.raises(Unavailable, match="lock timeout"):
        store.append([writer.write("s", events=5)])
    rows(sql, "COMMIT")
    again = Writer(domain)
    again.tips["s"] = (40, store.load({"s": 40}).streams["s"].hash)
    assert store.append([again.write("s", events=5)])[0].position == 45
    assert leaves(sql) == ["events_1_1", "events_1_41"]


def test_a_session_that_is_ended_while_it_makes_partitions_leaves_none_and_the_next_makes_them(
    open_store: Callable[[Domain], PostgresEventStore], sql: Connection, postgres: str
) -> None:
    domain = discover("parts")["orders"]
    store = open_store(domain)
    other = psycopg2.connect(postgres)
    with other.cursor() as cursor:
        cursor.execute("SELECT extend(%s, 1000)", (domain.key,))
        rows(sql, "SELECT pg_terminate_backend(%s)", other.info.backend_pid)
    until(lambda: not rows(sql, "SELECT FROM pg_stat_activity WHERE pid = %s", other.info.backend_pid), 10)
    assert leaves(sql) == []
    store.append([Writer(domain).write("s")])
    assert len(leaves(sql)) == 1


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE events SET type = 'Other'",
        "DELETE FROM events",
        "TRUNCATE events",
        "UPDATE events_1 SET type = 'Other'",
        "DELETE FROM events_1_41",
        "TRUNCATE events_1",
        "TRUNCATE events_1_1",
    ],
)
def test_not_even_the_superuser_changes_or_removes_events_by_a_slip(
    open_store: Callable[[Domain], PostgresEventStore], sql: Connection, statement: str
) -> None:
    domain = discover("parts")["orders"]
    store, writer = open_store(domain), Writer(domain)
    store.append([writer.write("s", events=70)])
    with pytest.raises(psycopg2.errors.InsufficientPrivilege, match="never changed or removed"):
        rows(sql, statement)
    assert len(store.read(0, 100)) == 70


@pytest.mark.parametrize(
    ("name", "values", "most"),
    [
        ("read", {"after": 100, "limit": 10}, 1),
        ("relay_read", {"first": 100, "limit": 40, "bytes": 1000_000}, 2),
    ],
)
def test_reading_a_range_of_positions_looks_at_its_partitions_only(
    open_store: Callable[[Domain], PostgresEventStore],
    sql: Connection,
    name: str,
    values: dict[str, object],
    most: int,
) -> None:
    domain = discover("parts")["orders"]
    store, writer = open_store(domain), Writer(domain)
    for _ in range(10):
        store.append([writer.write("s", events=40)])
    text = query(name)
    if "COPY" in text:
        text = text[text.index("(") + 1 : text.rindex(")")]
    with sql.cursor() as cursor:
        cursor.execute("SET enable_seqscan = off")
        cursor.execute("EXPLAIN (FORMAT JSON) " + text, {"domain": domain.key, **values})
        [(plan,)] = cursor.fetchall()
    assert 1 <= len(scanned(plan)) <= most


def test_loading_a_stream_probes_the_partitions_of_its_events_only(
    open_store: Callable[[Domain], PostgresEventStore], sql: Connection
) -> None:
    domain = discover("parts")["orders"]
    store, writer = open_store(domain), Writer(domain)
    for stream in "abcdefghij":
        store.append([writer.write(stream, events=40)])
    rows(sql, "VACUUM ANALYZE")
    rows(sql, "SELECT pg_stat_reset()")
    assert len(store.load({"c": 0}).streams["c"].events) == 40

    def probed() -> list[tuple[object, ...]]:
        return rows(
            sql, "SELECT relname, idx_scan FROM pg_stat_user_tables WHERE relname LIKE 'events%%' AND idx_scan > 0"
        )

    assert until(probed, 20) == [("events_1_81", 40)]
