"""Retention of command ids, on real rows."""

import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta

import psycopg2
import pytest
from psycopg2.extensions import connection as Connection  # noqa: N812

from producers import PostgresEventStore
from producers.upkeep import retention
from schemas import PROCESS_PREFIX, Domain, discover
from tests.architecture.source import ROOT
from tests.pipeline import Pipeline, environment, until
from tests.writes import Writer


@pytest.fixture
def short() -> Domain:
    """A domain that forgets at once what is not its last event's."""
    return replace(discover("retention")["orders"], command_retention=timedelta(microseconds=1))


@pytest.fixture
def store(postgres: str, short: Domain) -> Iterator[PostgresEventStore]:
    made = PostgresEventStore(postgres, short)
    yield made
    made.close()


@pytest.fixture
def admin(postgres: str) -> Iterator[Connection]:
    made = psycopg2.connect(postgres)
    made.autocommit = True
    yield made
    made.close()


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retention, "_BATCH", 7)
    monkeypatch.setattr(retention, "_EVERY", 0.05)
    monkeypatch.setattr(retention, "_PAUSE", 0.0)


@contextmanager
def keeping(url: str, *domains: Domain, keepers: int = 1) -> Iterator[None]:
    stop = threading.Event()
    threads = [threading.Thread(target=retention.run_retention, args=(domains, url, stop)) for _ in range(keepers)]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        stop.set()
        for thread in threads:
            thread.join(20)
            assert not thread.is_alive()


def remembered(admin: Connection, domain: Domain) -> list[str]:
    with admin.cursor() as cursor:
        cursor.execute(
            "SELECT command FROM commands WHERE domain = %s ORDER BY position, events, command", (domain.key,)
        )
        return [command for (command,) in cursor]


def looked_at(admin: Connection, domain: Domain) -> int:
    with admin.cursor() as cursor:
        cursor.execute("SELECT max(position) FROM retention WHERE domain = %s", (domain.key,))
        [(position,)] = cursor.fetchall()
        return position or -1


@pytest.mark.parametrize("keepers", [1, 3])
def test_old_commands_are_forgotten_and_the_last_of_them_and_those_of_processes_are_not(
    store: PostgresEventStore, postgres: str, admin: Connection, short: Domain, keepers: int
) -> None:
    writer = Writer(short)
    process = f"{PROCESS_PREFIX}1"
    for n in range(10):
        store.append([writer.write("a", events=3, command=f"a{n}"), writer.write(f"b{n}", command=f"b{n}")])
        store.append([writer.write("a", events=0, command=f"nothing{n}")])
    store.append([writer.write("p", command=process), writer.write("p", events=0, command=f"{process}.nothing")])
    store.append([writer.write("z", command="last")])
    store.append([writer.write("z", events=0, command="last-nothing")])
    with keeping(postgres, short, keepers=keepers):
        until(lambda: looked_at(admin, short) == 41, 20)
    assert remembered(admin, short) == [f"{process}.nothing", process, "last-nothing", "last"]
    assert store.append([writer.write("c", command="a3")])[0].kind == "accepted"
    assert store.append([writer.write("p", command=process)])[0].kind == "repeated"
    assert len(store.read(0, 100)) == 43


def test_an_id_that_was_used_again_after_its_retention_is_remembered_anew(
    store: PostgresEventStore, postgres: str, admin: Connection, short: Domain
) -> None:
    writer = Writer(short)
    store.append([writer.write("a", command="mine"), writer.write("b"), writer.write("c")])
    with keeping(postgres, short):
        until(lambda: "mine" not in remembered(admin, short), 20)
    again = writer.write("d", command="mine")
    store.append([again])
    with keeping(postgres, short):
        until(lambda: looked_at(admin, short) == 3, 20)
    assert store.append([again])[0].kind == "repeated"


def test_younger_commands_and_those_of_domains_without_retention_are_kept(
    store: PostgresEventStore, postgres: str, admin: Connection, short: Domain
) -> None:
    hour = replace(discover("hour")["orders"], command_retention=timedelta(hours=1))
    ever = discover("ever")["orders"]
    for domain in (hour, ever):
        other = PostgresEventStore(postgres, domain)
        writer = Writer(domain)
        other.append([writer.write(f"s{n}", command=f"c{n}") for n in range(20)])
        other.close()
    writer = Writer(short)
    store.append([writer.write(f"s{n}") for n in range(20)])
    with keeping(postgres, hour, ever, short):
        until(lambda: len(remembered(admin, short)) == 1, 20)
    assert len(remembered(admin, hour)) == len(remembered(admin, ever)) == 20


def test_a_keeper_waits_for_a_database_and_ends_when_it_is_told_to(short: Domain) -> None:
    with keeping("postgresql://nobody@127.0.0.1:1/none", short):
        pass


def test_a_retention_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="command_retention"):
        replace(discover()["orders"], command_retention=timedelta(0))


def test_the_relay_process_forgets_commands(
    pipeline: Pipeline, postgres: str, admin: Connection, domain: Domain
) -> None:
    store = PostgresEventStore(postgres, domain)
    writer = Writer(domain)
    store.append([writer.write("s", command="first"), writer.write("s"), writer.write("s")])
    store.close()
    code = (
        "import sys; from dataclasses import replace; from datetime import timedelta; from schemas import orders; "
        "orders.DOMAIN = replace(orders.DOMAIN, command_retention=timedelta(microseconds=1)); "
        "sys.argv = ['headrace', 'relay']; from infra.cli import main; main()"
    )
    home = pipeline.home
    relay = subprocess.Popen(
        [sys.executable, "-c", code], cwd=ROOT, env=environment(pipeline.addresses, domain.namespace, home, 1)
    )
    try:
        until(lambda: "first" not in remembered(admin, domain), 30)
    finally:
        relay.terminate()
        assert relay.wait(30) == 0
