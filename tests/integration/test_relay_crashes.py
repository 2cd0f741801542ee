"""The relay killed at every step, and two relays at once: each event is published once, in order."""

import subprocess
import sys
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path

import psycopg2
import pytest

from producers import PostgresEventStore
from schemas import Domain
from tests.architecture.source import ROOT
from tests.integration.relayed import append, complete, paid_orders, read
from tests.pipeline import until


class Relay:
    """A relay process and its log."""

    def __init__(self, log: Path, postgres: str, kafka: str, domain: Domain, crash_point: str = "") -> None:
        self._log = log
        arguments = [postgres, kafka, domain.namespace, *([crash_point] if crash_point else [])]
        with log.open("ab") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "tests.integration.relay_process", *arguments],
                cwd=ROOT,
                stdout=output,
                stderr=output,
            )

    def log(self) -> str:
        return self._log.read_text()

    def end(self) -> None:
        self.process.terminate()
        assert self.process.wait(30) == 0, self.log()


Start = Callable[..., Relay]


@pytest.fixture
def start(tmp_path: Path, postgres: str, kafka: str, domain: Domain) -> Iterator[Start]:
    """Starts relays by name; what still runs after the test is killed."""
    started: list[Relay] = []

    def start_one(name: str, crash_point: str = "") -> Relay:
        started.append(Relay(tmp_path / f"{name}.log", postgres, kafka, domain, crash_point))
        return started[-1]

    yield start_one
    for relay in started:
        relay.process.kill()
        relay.process.wait()


@pytest.fixture
def store(postgres: str, domain: Domain) -> Iterator[PostgresEventStore]:
    made = PostgresEventStore(postgres, domain)
    yield made
    made.close()


@pytest.mark.parametrize("point", ["relay.read", "relay.produced", "relay.committed"])
@pytest.mark.parametrize("time", [1, 3])
def test_a_relay_killed_at_any_step_leaves_each_event_once_and_in_order(
    store: PostgresEventStore, kafka: str, domain: Domain, start: Start, point: str, time: int
) -> None:
    killed = start("killed", f"{point}:{time}")
    numbers = count(0, 20)

    def exit_code_after_more_orders() -> int | None:
        first = next(numbers)
        append(store, domain, paid_orders(first, first + 20))
        return killed.process.poll()

    assert until(exit_code_after_more_orders, 60) == -9, killed.log()
    assert f"crash point {point} reached" in killed.log()

    def dense() -> bool:
        """Of the last commit the markers come one partition after the other."""
        positions = read(kafka, domain).positions
        return sorted(positions) == list(range(1, len(positions) + 1))

    until(dense, 30, what="no position is missing")
    again = start("again")
    complete(kafka, domain, store.head().position)
    again.end()


def test_a_second_relay_stands_by_and_takes_over_when_the_first_is_killed(
    store: PostgresEventStore, kafka: str, domain: Domain, start: Start
) -> None:
    append(store, domain, paid_orders(0, 50))
    first = start("first")
    complete(kafka, domain, 100)
    second = start("second")
    until(lambda: "standing by" in second.log(), 30)
    append(store, domain, paid_orders(50, 100))
    complete(kafka, domain, 200)
    first.process.kill()
    first.process.wait()
    append(store, domain, paid_orders(100, 150))
    complete(kafka, domain, 300)
    assert "goes on after position" in second.log()
    second.end()


def test_a_relay_that_refuses_the_database_ends_with_a_sentence(
    store: PostgresEventStore, postgres: str, kafka: str, domain: Domain, start: Start
) -> None:
    append(store, domain, paid_orders(0, 10))
    relay = start("first")
    complete(kafka, domain, 20)
    connection = psycopg2.connect(postgres)
    with connection, connection.cursor() as cursor:
        cursor.execute("SET session_replication_role = replica")  # else a trigger refuses it
        cursor.execute("DELETE FROM events")
    connection.close()
    assert until(lambda: relay.process.poll(), 30) == 1
    assert "Traceback" not in relay.log()
    assert "restored or replaced" in relay.log()
