"""Servers started once a session; every test gets names of its own on them."""

import os
import signal
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

import clickhouse_driver
import psycopg2
import pytest
from psycopg2 import sql

from infra import migrations, topics
from infra.stack import Addresses
from schemas import Domain, discover
from tests.pipeline import Pipeline
from tests.servers import servers as running_servers

# A shell without job control starts background jobs with SIGINT ignored, and children inherit that: then no test of
# Ctrl-C could work.
signal.signal(signal.SIGINT, signal.default_int_handler)

# Hundreds of processes start from this tree: its modules are compiled once, not in each of them.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)

# Brokers of tests live for seconds or minutes: what the JVM's second compiler costs is half of a start, and never pays.
os.environ.setdefault("JDK_JAVA_OPTIONS", "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC")


@pytest.fixture(scope="session")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Addresses]:
    """Kafka, PostgreSQL and ClickHouse for the whole session."""
    with running_servers(tmp_path_factory.mktemp("stack")) as addresses:
        yield addresses


@pytest.fixture(scope="session")
def kafka(servers: Addresses) -> str:
    """Bootstrap servers."""
    return servers.kafka


@pytest.fixture(scope="session")
def clickhouse(servers: Addresses) -> str:
    """URL with the user that loads."""
    return servers.clickhouse


@pytest.fixture(scope="session")
def clickhouse_reader(servers: Addresses) -> str:
    """URL with the read-only user."""
    return servers.clickhouse_reader


def _administer(url: str, statement: str, *names: str) -> None:
    connection = psycopg2.connect(url)
    try:
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute(sql.SQL(statement).format(*map(sql.Identifier, names)))
    finally:
        connection.close()


@contextmanager
def fresh_database(server: str, template: str = "template1") -> Iterator[str]:
    """URL of a new database, a copy of `template`; dropped at the end."""
    name = f"test_{uuid.uuid4().hex[:8]}"
    _administer(server, "CREATE DATABASE {} TEMPLATE {}", name, template)
    try:
        yield urlsplit(server)._replace(path=f"/{name}").geturl()
    finally:
        _administer(server, "DROP DATABASE {} WITH (FORCE)", name)


@pytest.fixture(scope="session")
def _template(servers: Addresses) -> Iterator[str]:
    """Name of a migrated database that the tests' databases are cloned from."""
    with fresh_database(servers.postgres) as url:
        migrations.migrate(url)
        yield urlsplit(url).path.lstrip("/")


@pytest.fixture
def postgres(servers: Addresses, _template: str) -> Iterator[str]:
    """URL of a fresh, migrated database of this test alone."""
    with fresh_database(servers.postgres, _template) as url:
        yield url


@contextmanager
def fresh_namespace(clickhouse: str = "") -> Iterator[str]:
    """A name that nobody else has; its databases at `clickhouse`, if one is used, are dropped at the end."""
    name = f"t{uuid.uuid4().hex[:8]}"
    try:
        yield name
    finally:
        if clickhouse:
            _drop_databases(clickhouse, name)


def _drop_databases(clickhouse: str, namespace: str) -> None:
    client = clickhouse_driver.Client.from_url(clickhouse)
    for (database,) in client.execute("SHOW DATABASES"):
        if database.startswith(namespace):
            client.execute(f"DROP DATABASE {database} SYNC")
    client.disconnect()


@pytest.fixture
def namespace(request: pytest.FixtureRequest) -> Iterator[str]:
    """A name that no other test has; its ClickHouse databases are dropped afterwards."""
    clickhouse = request.getfixturevalue("servers").clickhouse if "servers" in request.fixturenames else ""
    with fresh_namespace(clickhouse) as name:
        yield name


@pytest.fixture
def domain(namespace: str, kafka: str) -> Domain:
    """The domain of orders in the test's namespace, its topics declared."""
    orders = discover(namespace)["orders"]
    topics.declare(kafka, [orders])
    return orders


@pytest.fixture
def addresses(servers: Addresses, postgres: str) -> Addresses:
    """The servers, with the test's own database."""
    return replace(servers, postgres=postgres)


@pytest.fixture
def pipeline(addresses: Addresses, namespace: str, domain: Domain, tmp_path: Path) -> Iterator[Pipeline]:
    """The pipeline's processes in the test's namespace, none started yet; all are ended afterwards."""
    processes = Pipeline(addresses, namespace, tmp_path, domain=domain.name)
    yield processes
    for name in list(processes.running):
        processes.kill(name)
