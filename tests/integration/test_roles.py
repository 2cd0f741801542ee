"""Roles in Postgres: each is refused what it has no need of, and the processes act as theirs and no more."""

from collections.abc import Iterator
from urllib.parse import urlsplit
from uuid import uuid4

import httpx
import psycopg2
import pytest
from psycopg2.extensions import connection as Connection  # noqa: N812

from infra.migrations import migrate
from producers import PostgresEventStore
from producers.store.connections import APPENDER, KEEPER, OWNER, READER, RELAY, connect
from schemas import Domain, Fatal, discover, encode
from tests.order_commands import place
from tests.pipeline import Pipeline, until
from tests.writes import Writer


@pytest.fixture
def orders(postgres: str) -> Domain:
    """A domain with one event."""
    domain = discover("roles")["orders"]
    store = PostgresEventStore(postgres, domain)
    store.append([Writer(domain).write("s")])
    store.close()
    return domain


@pytest.fixture
def admin(postgres: str) -> Iterator[Connection]:
    made = psycopg2.connect(postgres)
    made.autocommit = True
    yield made
    made.close()


@pytest.fixture
def login(postgres: str, admin: Connection) -> Iterator[str]:
    """URL of an empty database for a login that owns it and may do nothing else."""
    name = f"plain_{uuid4().hex[:8]}"
    with admin.cursor() as cursor:
        cursor.execute(f"CREATE ROLE {name} LOGIN PASSWORD 'plain'")
        cursor.execute(f"CREATE DATABASE {name} OWNER {name}")
        at = urlsplit(postgres)
        yield at._replace(netloc=f"{name}:plain@{at.hostname}:{at.port}", path=f"/{name}").geturl()
        cursor.execute(f"DROP DATABASE {name} WITH (FORCE)")
        cursor.execute(f"DROP ROLE {name}")


def run(url: str, role: str, statement: str) -> None:
    connection = connect(url, role=role)
    try:
        with connection.cursor() as cursor:
            cursor.execute(statement)
    finally:
        connection.close()


REFUSED = {
    APPENDER: [
        "UPDATE events SET type = 'Other'",
        "DELETE FROM events",
        "TRUNCATE events",
        "DELETE FROM events_1_1",
        "DELETE FROM streams",
        "UPDATE streams SET partition_key = 'other'",
        "DELETE FROM heads",
        "INSERT INTO heads (domain) VALUES ('other')",
        "UPDATE heads SET room = 0",
        "UPDATE commands SET version = 0",
        "DELETE FROM commands",
        "UPDATE claims SET command = 'other'",
        "DELETE FROM counters",
        "ALTER TABLE events DISABLE TRIGGER ALL",
        "DROP TABLE events",
        "CREATE TABLE mine (x int)",
        "SELECT make_part('events', 'mine', 'DEFAULT', '')",
        "SET session_replication_role = replica",
    ],
    RELAY: [
        "INSERT INTO events SELECT * FROM events",
        "DELETE FROM events",
        "UPDATE heads SET position = 0",
        "SELECT FROM commands",
        "SELECT extend('roles.orders', 0)",
    ],
    KEEPER: [
        "DELETE FROM events",
        "UPDATE events SET type = 'Other'",
        "INSERT INTO commands SELECT * FROM commands",
        "DELETE FROM streams",
        "UPDATE heads SET position = 0",
    ],
    READER: [
        "INSERT INTO events SELECT * FROM events",
        "DELETE FROM events",
        "SELECT FROM heads FOR UPDATE",
        "DELETE FROM commands",
        "SELECT extend('roles.orders', 0)",
    ],
    OWNER: ["UPDATE events SET type = 'Other'", "DELETE FROM events", "TRUNCATE events", "CREATE ROLE other"],
}


@pytest.mark.usefixtures("orders")
@pytest.mark.parametrize(
    ("role", "statement"), [(role, statement) for role, statements in REFUSED.items() for statement in statements]
)
def test_a_role_is_refused_what_it_has_no_need_of(postgres: str, role: str, statement: str) -> None:
    with pytest.raises(psycopg2.errors.InsufficientPrivilege):
        run(postgres, role, statement)


@pytest.mark.usefixtures("orders")
def test_the_reader_reads_every_table_also_of_later_migrations(postgres: str) -> None:
    run(postgres, OWNER, "CREATE TABLE later (x int)")
    for table in ("heads", "streams", "events", "commands", "claims", "counters", "event_log", "later"):
        run(postgres, READER, f"SELECT * FROM {table}")


def test_a_session_acts_as_the_role_that_it_is_opened_with(postgres: str) -> None:
    for role in (OWNER, APPENDER, RELAY, KEEPER, READER):
        connection = connect(postgres, role=role)
        with connection.cursor() as cursor:
            cursor.execute("SELECT current_user, application_name FROM pg_stat_activity WHERE pid = pg_backend_pid()")
            assert cursor.fetchall() == [(role, role)]
        connection.close()


def test_the_processes_act_as_their_roles_though_their_login_may_do_everything(
    pipeline: Pipeline, domain: Domain, admin: Connection
) -> None:
    def roles() -> set[str]:
        with admin.cursor() as cursor:
            cursor.execute(
                "SELECT application_name FROM pg_stat_activity WHERE datname = current_database() "
                "AND pid <> pg_backend_pid() AND backend_type = 'client backend'"
            )
            return {name for (name,) in cursor}

    def post(order: str) -> httpx.Response:
        url = f"{pipeline.url}/api/{domain.name}/"
        return httpx.post(url, content=encode(place(order)), timeout=20)

    pipeline.start("relay", "api")
    assert post("o1").status_code < 300
    until(lambda: {APPENDER, RELAY} <= roles(), 20)
    assert {name for name in roles() if not name.startswith("headrace_")} == set()

    with admin.cursor() as cursor:
        cursor.execute(f"REVOKE SELECT ON events FROM {RELAY}")
    until(lambda: pipeline.died("relay"), 20, what="the relay is refused the events")
    until(lambda: "permission denied for table events" in pipeline.log("relay"), 10, what="the log says why")
    with admin.cursor() as cursor:
        cursor.execute(f"REVOKE SELECT ON heads FROM {APPENDER}, {READER}")
    refused = post("o2")
    assert (refused.status_code, refused.json()["rule"]) == (500, "postgres-right")
    assert f"an administrator must GRANT it to {APPENDER}" in refused.json()["detail"]
    until(lambda: "permission denied for table heads" in pipeline.log("api"), 10, what="the log says why")


def test_a_right_that_was_taken_away_is_named_with_role_table_and_statement(
    postgres: str, orders: Domain, admin: Connection
) -> None:
    with admin.cursor() as cursor:
        cursor.execute(f"REVOKE INSERT ON commands FROM {APPENDER}")
    store = PostgresEventStore(postgres, orders)
    with pytest.raises(Fatal) as caught:
        store.append([Writer(orders).write("t")])
    store.close()
    assert caught.value.detail.startswith(f"PostgreSQL refuses {APPENDER}: permission denied for table commands (in: ")
    assert "INSERT INTO commands" in caught.value.detail


def test_a_login_that_may_not_act_as_the_role_is_told_what_to_do(login: str) -> None:
    name = urlsplit(login).username
    with pytest.raises(Fatal, match=f'GRANT {APPENDER} TO "{name}"'):
        PostgresEventStore(login, discover()["orders"]).head()


def test_a_login_that_may_not_make_roles_migrates_after_an_administrator_ran_what_it_was_told(
    login: str, admin: Connection
) -> None:
    with pytest.raises(Fatal, match="may not make the roles") as caught:
        migrate(login)
    told = caught.value.detail
    grant = told[told.index("GRANT ") :].split(";")[0]
    with admin.cursor() as cursor:
        cursor.execute(grant)
    assert migrate(login)
    domain = discover()["orders"]
    store = PostgresEventStore(login, domain)
    assert [outcome.kind for outcome in store.append([Writer(domain).write("s")])] == ["accepted"]
    store.close()
