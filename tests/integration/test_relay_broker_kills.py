"""The broker killed at the very moment of a commit, while the relay has nothing more to publish."""

import os
import signal
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from infra import stack, topics
from infra.stack import Addresses
from producers import PostgresEventStore
from producers.relay import publisher
from schemas import discover
from tests.integration.relayed import append, complete, paid_orders, relaying
from tests.integration.stacks import pids
from tests.pipeline import until


@pytest.fixture
def kafka(home: Path, servers: Addresses) -> Iterator[str]:
    """A broker of the test's own."""
    yield stack.up(home, given=replace(servers, kafka="")).kafka
    stack.down(home)


def test_a_batch_whose_broker_died_with_the_commit_is_readable_while_the_relay_is_idle(
    monkeypatch: pytest.MonkeyPatch,
    home: Path,
    postgres: str,
    kafka: str,
    namespace: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    domain = discover(namespace)["orders"]
    topics.declare(kafka, [domain])
    killed: list[int] = []

    def kill(point: str) -> None:
        if point == "relay.committed" and armed and not killed:
            killed.append(pids(home)["kafka"])
            os.kill(killed[0], signal.SIGKILL)

    armed: list[bool] = []
    monkeypatch.setattr(publisher, "reach", kill)
    store = PostgresEventStore(postgres, domain)
    with caplog.at_level("INFO"), relaying(domain, postgres, kafka):
        append(store, domain, paid_orders(0, 5))
        complete(kafka, domain, 10)
        armed.append(True)
        append(store, domain, paid_orders(5, 10))
        until(lambda: killed, 20, what="the broker was killed")
        until(lambda: _back(home, killed[0]), 60, what="the broker is back")
        until(lambda: caplog.text.count("goes on after position") == 2, 20, what="the relay has settled its last batch")
        complete(kafka, domain, 20)
    store.close()


def _back(home: Path, before: int) -> bool:
    return all(part.healthy and part.pid != before for part in stack.status(home) if part.name == "kafka")
