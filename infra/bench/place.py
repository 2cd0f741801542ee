"""A place of its own for each run: a database and a namespace on the servers, removed afterwards."""

import re
import signal
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import asdict, dataclass, replace
from typing import Any
from urllib.parse import urlsplit

import clickhouse_driver
import psycopg2
from psycopg2 import sql

from infra import migrations, stack, topics
from infra.bench.sql import query
from infra.config import Settings
from infra.pipeline import addresses, given
from infra.stack import Addresses
from schemas import Domain, discover

_PREFIX = "headrace_bench_"
_RUN = re.compile(r"\bbench_[0-9a-f]{8}\.")
_PATIENCE = 20.0


@dataclass(frozen=True)
class Place:
    """Where a run may do what it likes. `settings` name the servers, the run's database and its namespace."""

    settings: Settings

    @property
    def postgres(self) -> str:
        """URL of the run's own, migrated database."""
        return self.settings.postgres

    @property
    def kafka(self) -> str:
        """Bootstrap servers."""
        return self.settings.kafka

    @property
    def clickhouse(self) -> str:
        """URL of the ClickHouse that is loaded."""
        return self.settings.clickhouse

    @property
    def orders(self) -> Domain:
        """The domain of orders in the run's namespace."""
        return discover(self.settings.namespace)["orders"]


@contextmanager
def servers(settings: Settings, needs: Sequence[str], say: Callable[[str], None]) -> Iterator[Addresses]:
    """The servers that the settings name, or the embedded ones; those are started when they do not run, and stopped
    again at the end."""
    named = given(settings)
    if all(getattr(named, name) for name in needs):
        yield named
    elif stack.running(settings.home):
        yield addresses(settings)
    else:
        say("starting the servers")
        at = stack.up(settings.home, given=named)
        try:
            yield at
        finally:
            stack.down(settings.home)


@contextmanager
def place(settings: Settings, at: Addresses, needs: Sequence[str]) -> Iterator[Place]:
    """A place on the servers. What was made is removed at the end, also after Ctrl-C, and what a killed run left is
    removed by the next."""
    with _finished(ExitStack()) as cleaning:
        name, dropped = cleaning.enter_context(_database(at.postgres))
        namespace = name.removeprefix("headrace_")
        if "kafka" in needs:
            _remove_topics(at.kafka, dropped)
            cleaning.callback(_remove_topics, at.kafka, [namespace])
        if "clickhouse" in needs:
            for left in (*dropped, namespace):
                cleaning.callback(drop_databases, at.clickhouse, left)
        url = urlsplit(at.postgres)._replace(path=f"/{name}").geturl()
        migrations.migrate(url)
        here = Place(replace(settings, **asdict(replace(at, postgres=url)), namespace=namespace))
        if "kafka" in needs:
            topics.declare(at.kafka, [here.orders])
        yield here


@contextmanager
def connected(clickhouse: str) -> Iterator[Any]:
    """A bare client of ClickHouse, connected for as long as the context lasts."""
    client = clickhouse_driver.Client.from_url(clickhouse)
    try:
        yield client
    finally:
        client.disconnect()


def drop_databases(clickhouse: str, prefix: str) -> None:
    """Drop the ClickHouse databases whose names begin so."""
    with connected(clickhouse) as client:
        for (database,) in client.execute("SHOW DATABASES"):
            if database.startswith(prefix):
                client.execute(f"DROP DATABASE {database} SYNC")


@contextmanager
def _finished(cleaning: ExitStack) -> Iterator[ExitStack]:
    """Does the cleaning at the end, and a second Ctrl-C does not stop it."""
    try:
        yield cleaning
    finally:
        before = {number: signal.signal(number, signal.SIG_IGN) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            cleaning.close()
        finally:
            for number, handler in before.items():
                signal.signal(number, handler or signal.SIG_DFL)  # one that a library in C has set cannot be told


@contextmanager
def _database(server: str) -> Iterator[tuple[str, list[str]]]:
    """Name of a fresh database, and the namespaces of what killed runs had left, whose databases are dropped now.

    A session of ours stays in the database while it is in use, so that nobody takes it for such a leftover.
    """
    name = f"{_PREFIX}{uuid.uuid4().hex[:8]}"
    admin = psycopg2.connect(server)
    admin.autocommit = True
    with closing(admin), admin.cursor() as cursor:
        cursor.execute(query("one_at_a_time"))
        dropped = _drop_leftovers(cursor)
        try:
            cursor.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
            with closing(psycopg2.connect(urlsplit(server)._replace(path=f"/{name}").geturl())):
                cursor.execute(query("next_one"))
                yield name, dropped
        finally:
            cursor.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))


def _drop_leftovers(cursor: Any) -> list[str]:
    cursor.execute(query("databases"), {"prefix": _PREFIX})
    dropped = []
    for (name,) in cursor.fetchall():
        try:
            cursor.execute(sql.SQL("DROP DATABASE {}").format(sql.Identifier(name)))
        except psycopg2.errors.ObjectInUse:
            continue
        dropped.append(name.removeprefix("headrace_"))
    return dropped


def _remove_topics(kafka: str, namespaces: Sequence[str]) -> None:
    """Delete all topics and consumer groups of the namespaces; a peer may put something before the name."""
    from confluent_kafka.admin import AdminClient

    admin = AdminClient({"bootstrap.servers": kafka, "socket.timeout.ms": 10_000, "log_level": 3})
    ours = tuple(f"{namespace}." for namespace in namespaces)
    deadline = time.monotonic() + _PATIENCE
    # More than once: a process that has just been killed may make one more by its last request.
    while names := [name for name in admin.list_topics(timeout=10).topics if any(part in name for part in ours)]:
        for future in admin.delete_topics(names, operation_timeout=10).values():
            future.exception()
        if time.monotonic() > deadline:
            break
    _remove_groups(admin)


def _remove_groups(admin: Any) -> None:
    """Delete the groups of all runs whose topics are gone: one whose members were killed goes only when their sessions
    have timed out, so perhaps with the next run."""
    topics_left = " ".join(admin.list_topics(timeout=10).topics)
    named = [(group.group_id, _RUN.search(group.group_id)) for group in admin.list_consumer_groups().result().valid]
    left = [group for group, run in named if run and run[0] not in topics_left]
    for future in (admin.delete_consumer_groups(left) if left else {}).values():
        future.exception()
