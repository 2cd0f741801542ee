"""Migrations of Postgres: up only, safe to run twice, at once, and after a kill."""

import subprocess
import sys
from collections.abc import Iterator
from urllib.parse import urlsplit
from uuid import uuid4

import psycopg2
import pytest

from infra.migrations import migrate
from producers import PostgresEventStore
from schemas import Unavailable, discover
from tests.architecture.source import ROOT
from tests.writes import Writer


@pytest.fixture
def empty(postgres: str) -> Iterator[str]:
    """URL of an empty database."""
    name = f"empty_{uuid4().hex[:8]}"
    connection = psycopg2.connect(postgres)
    connection.autocommit = True
    with connection.cursor() as cursor:
        cursor.execute(f"CREATE DATABASE {name}")
        yield urlsplit(postgres)._replace(path=f"/{name}").geturl()
        cursor.execute(f"DROP DATABASE {name} WITH (FORCE)")
    connection.close()


def works(url: str) -> bool:
    domain = discover()["orders"]
    store = PostgresEventStore(url, domain)
    store.append([Writer(domain).write(f"s{uuid4()}")])
    position = store.head().position
    store.close()
    return position > 0


def test_the_second_run_finds_nothing_to_do(empty: str) -> None:
    assert migrate(empty)[0].startswith("0001")
    assert migrate(empty) == []
    assert works(empty)


def test_several_processes_may_migrate_at_once(empty: str) -> None:
    code = "import sys; from infra.migrations import migrate; migrate(sys.argv[1])"
    processes = [subprocess.Popen([sys.executable, "-c", code, empty], cwd=ROOT) for _ in range(4)]
    assert [process.wait(60) for process in processes] == [0] * 4
    assert migrate(empty) == []
    assert works(empty)


def test_a_database_that_does_not_answer_is_named() -> None:
    with pytest.raises(Unavailable, match="PostgreSQL does not answer"):
        migrate("postgresql://nobody@127.0.0.1:1/none")
