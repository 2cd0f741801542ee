"""Consistency by request while sinks are frozen: a read says how old it is, or refuses; nothing in between."""

import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from infra import migrations, topics
from infra.stack import Addresses
from schemas import discover
from sinks.tables import prepare
from tests.architecture.source import ROOT
from tests.conftest import fresh_database
from tests.pipeline import Pipeline, until

NAMESPACE = "frozen"
AGGREGATES = ("orders", "customers", "products")
# What is read of the tables of the aggregates, and of those of the events alone.
OF_AGGREGATES = (
    *("/", "/first", "/first/status", "/aggregates/customers", "/aggregates/products"),
    *(f"/queries/{name}" for name in ("orders-by-status", "rfm", "stock", "top-customers", "totals")),
)
OF_EVENTS = ("/events", "/first/log", "/queries/revenue-by-month")
SQL_OF_AGGREGATES = (
    "SELECT count() FROM orders",
    "SELECT count() FROM events WHERE stream IN (SELECT order_id FROM orders)",
    "SELECT count() FROM revenue_by_month CROSS JOIN customers",
)
SQL_OF_EVENTS = ("SELECT count() FROM events", "SELECT sum(orders) FROM revenue_by_month")


class Shop:
    """The pipeline with a sink for the events and another one for the aggregates."""

    def __init__(self, pipeline: Pipeline, sinks: "dict[str, subprocess.Popen[bytes]]") -> None:
        self._pipeline, self._sinks = pipeline, sinks

    @contextmanager
    def frozen(self, *names: str) -> Iterator[None]:
        for name in names:
            self._sinks[name].send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            for name in names:
                self._sinks[name].send_signal(signal.SIGCONT)

    def place(self, order: str) -> str:
        """Place an order; the token of the answer."""
        money = {"amount": "1.00", "currency": "USD"}
        line = {"sku": None, "quantity": 1, "price": money}
        body = {"order_id": order, "customer_id": "c-1", "lines": [line], "total": money}
        answer = httpx.post(f"{self._pipeline.url}/api/orders/", json=body, timeout=30)
        assert answer.status_code == 201, answer.text
        return str(answer.json()["token"])

    def ask(self, path: str, **wished: str) -> httpx.Response:
        return httpx.get(f"{self._pipeline.url}/api/orders{path}", params=wished, timeout=60)

    def sql(self, statement: str, **wished: str) -> httpx.Response:
        return httpx.post(f"{self._pipeline.url}/api/sql", json={"sql": statement}, params=wished, timeout=60)

    def of_aggregates(self, **wished: str) -> dict[str, httpx.Response]:
        """The answers of everything that reads a table of an aggregate."""
        found = {path: self.ask(path, **wished) for path in OF_AGGREGATES}
        return found | {statement: self.sql(statement, **wished) for statement in SQL_OF_AGGREGATES}

    def of_events(self, **wished: str) -> dict[str, httpx.Response]:
        found = {path: self.ask(path, **wished) for path in OF_EVENTS}
        return found | {statement: self.sql(statement, **wished) for statement in SQL_OF_EVENTS}


@pytest.fixture(scope="module")
def shop(servers: Addresses, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    home = Path(tmp_path_factory.mktemp(NAMESPACE))
    domain = discover(NAMESPACE)["orders"]
    with fresh_database(servers.postgres) as postgres:
        migrations.migrate(postgres)
        topics.declare(servers.kafka, [domain])
        prepare(servers.clickhouse, [domain])
        pipeline = Pipeline(Addresses(**{**vars(servers), "postgres": postgres}), NAMESPACE, home)
        program = [sys.executable, "-m", "tests.integration.topic_sink", servers.kafka, servers.clickhouse, NAMESPACE]
        sinks = {
            name: subprocess.Popen([*program, *tables], cwd=ROOT)
            for name, tables in (("events", ["events"]), ("aggregates", [*AGGREGATES]))
        }
        try:
            pipeline.start("relay", "worker", "api")
            made = Shop(pipeline, sinks)
            token = made.place("first")
            until(lambda: made.ask("/first", token=token, timeout="30").status_code == 200, what="all is loaded")
            yield made
        finally:
            for name in list(pipeline.running):
                pipeline.kill(name)
            for sink in sinks.values():
                sink.kill()
                sink.wait()


def _refused(answers: dict[str, httpx.Response], rule: str) -> None:
    for what, answer in answers.items():
        problem = answer.json()
        assert (answer.status_code, problem["rule"], answer.headers["Retry-After"]) == (503, rule, "1"), (what, problem)
        assert "complete up to" in problem["detail"], what


def _freshness(answer: httpx.Response) -> Any:
    found = answer.json()["freshness"]
    return found.get("orders", found)


def test_with_only_the_sink_of_the_aggregates_frozen_a_token_read_of_them_refuses(shop: Shop) -> None:
    with shop.frozen("aggregates"):
        token = shop.place("second")
        for what, answer in shop.of_events(token=token, timeout="20").items():
            assert answer.status_code == 200, (what, answer.text)
            assert _freshness(answer)["position"] >= int(token.rpartition(":")[2])
        _refused(shop.of_aggregates(token=token, timeout="0.1"), "not-yet-visible")
        _refused(shop.of_aggregates(consistency="strong", timeout="0.1"), "not-yet-visible")
    assert shop.ask("/second", token=token, timeout="30").json()["data"]["status"] == "placed"


def test_what_is_behind_says_by_how_much_and_is_refused_beyond_the_bound(shop: Shop) -> None:
    with shop.frozen("aggregates", "events"):
        shop.place("third")
        everything = {**shop.of_aggregates(), **shop.of_events()}
        for what, answer in everything.items():
            fresh = _freshness(answer)
            assert (answer.status_code, fresh["complete"], fresh["staleness_ms"] > 0) == (200, False, True), what
        before = _freshness(shop.ask("/"))["staleness_ms"]
        assert _freshness(shop.ask("/"))["staleness_ms"] > before, "it grows while nothing is loaded"
        assert _freshness(shop.ask("/", max_staleness="1h"))["complete"] is False
        for answers in (shop.of_aggregates, shop.of_events):
            _refused(answers(max_staleness="1ms", timeout="0.1"), "too-stale")
        _refused(shop.of_events(consistency="strong", timeout="0.1"), "not-yet-visible")
    for what, answer in {**shop.of_aggregates(consistency="strong", timeout="30"), **shop.of_events()}.items():
        assert answer.status_code == 200, (what, answer.text)


def test_a_read_that_waits_is_answered_when_the_sink_goes_on(shop: Shop) -> None:
    answers: list[httpx.Response] = []
    with shop.frozen("aggregates"):
        token = shop.place("fourth")
        waiting = [
            threading.Thread(target=lambda w=wished: answers.append(shop.ask("/fourth", **w, timeout="30")))
            for wished in ({"token": token}, {"consistency": "strong"})
        ]
        for thread in waiting:
            thread.start()
        until(lambda: _freshness(shop.ask("/"))["staleness_ms"] > 500, 20, what="they have waited for a while")
        assert answers == []
    for thread in waiting:
        thread.join()
    assert [answer.status_code for answer in answers] == [200, 200]
