"""Held keys from the fold to SQL: listed, shown, folded anew once the code is mended, or with an event left out."""

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import clickhouse_driver
import httpx
import pytest
from confluent_kafka import Producer

from infra.letters import DeadLetters
from infra.stack import Addresses
from producers.relay.partitioner import partition_of
from schemas import Domain
from tests.e2e.test_way import PLACE
from tests.integration.order_source import table
from tests.pipeline import Pipeline, until
from tests.tree import copied

BUG = """

def _spoiled(value, event, envelope):
    if getattr(event, "order_id", "") == "bad":
        raise ZeroDivisionError("a planted bug")
    return customer(value, event, envelope)


FOLDS = (FOLDS[0], Fold("customers", key=by_partition_key, fold=_spoiled), FOLDS[2])
"""


class Shop:
    """A pipeline of a tree of its own, whose fold of customers fails for the order `bad` until it is mended."""

    def __init__(self, pipeline: Pipeline, domain: Domain, clickhouse: str) -> None:
        self.pipeline, self.domain, self.clickhouse = pipeline, domain, clickhouse
        self.folds = pipeline.tree / "streams" / "domains" / "orders.py"
        self.good = self.folds.read_text()
        self.folds.write_text(self.good + BUG)

    def mend(self) -> None:
        self.folds.write_text(self.good)

    def place(self, order: str, customer: str = "c-1") -> str:
        """Place an order; the id of its event."""
        body = {**PLACE, "order_id": order, "customer_id": customer}
        answer = httpx.post(
            f"{self.pipeline.url}/api/orders/", json=body, headers={"Idempotency-Key": f"place-{order}"}
        )
        assert answer.status_code == 201, answer.text
        return f"place-{order}:1"

    def command(self, *words: str) -> "subprocess.CompletedProcess[str]":
        """Run a command of `headrace dead-letters`."""
        return self.pipeline.run("dead-letters", *words, seconds=90)

    def listed(self, *options: str) -> list[dict[str, Any]]:
        answer = self.command("list", "orders", "--json", *options)
        assert answer.returncode == 0, answer.stderr
        return [json.loads(line) for line in answer.stdout.splitlines()]

    def held(self) -> list[str]:
        return [each["key"] for each in self.listed() if each["kind"] == "held"]

    def customer(self, kafka: str, orders: int) -> dict[str, Any] | None:
        """The row of `c-1` on its topic, once the customer has so many orders and is not held."""
        topic = self.domain.aggregate_topic(self.domain.aggregate("customers"))
        row: dict[str, Any] = table(kafka, topic).get("c-1", {})
        found = row.get("data", {}).get("orders") == orders and not DeadLetters(kafka, self.domain).held()
        return row if found else None

    def orders_of(self, customer: str = "c-1") -> tuple[int, list[str]]:
        """What SQL says: how many orders the customer has, and which."""
        client = clickhouse_driver.Client.from_url(self.clickhouse)
        database = self.domain.projection_database
        counts = client.execute(f"SELECT orders FROM {database}.customers FINAL WHERE customer_id = '{customer}'")
        found = client.execute(
            f"SELECT order_id FROM {database}.orders FINAL WHERE customer_id = '{customer}' ORDER BY order_id"
        )
        client.disconnect()
        return (counts[0][0] if counts else 0), [order for (order,) in found]


@pytest.fixture
def shop(addresses: Addresses, namespace: str, domain: Domain, clickhouse: str, tmp_path: Path) -> Iterator[Shop]:
    pipeline = Pipeline(addresses, namespace, tmp_path, tree=copied(tmp_path / "tree"))
    yield Shop(pipeline, domain, clickhouse)
    for name in list(pipeline.running):
        pipeline.kill(name)


def test_a_held_key_is_redriven_with_mended_code_and_sql_is_right(shop: Shop) -> None:
    shop.pipeline.start("api", "relay", "worker", "sink")
    for order in ("o-1", "bad", "o-2"):
        event = shop.place(order)
    shop.place("o-9", "c-9")
    until(lambda: shop.held() == ["c-1"], what="the customer of the bad order is held")
    until(lambda: shop.orders_of() == (1, ["o-1"]) and shop.orders_of("c-9") == (1, ["o-9"]), what="the others go on")

    shown = shop.command("show", "orders", "c-1")
    assert "ZeroDivisionError: a planted bug" in shown.stdout
    assert "Traceback" in shown.stdout
    assert '"order_id":"bad"' in shown.stdout

    again = shop.command("redrive", "orders", "c-1")
    assert again.returncode == 1, again.stdout + again.stderr
    assert "still held" in again.stdout
    assert shop.held() == ["c-1"]

    shop.mend()
    shop.pipeline.kill("worker")
    shop.pipeline.start("worker")
    shop.place("o-3")
    mended = shop.command("redrive", "orders", "--all")
    assert mended.returncode == 0, mended.stdout + mended.stderr
    assert "released" in mended.stdout
    assert shop.held() == []
    shop.place("o-4")
    all_of_them = (5, ["bad", "o-1", "o-2", "o-3", "o-4"])
    until(lambda: shop.orders_of() == all_of_them, what="SQL has all orders")

    skipped = shop.command("skip", "orders", "c-1", "--event", event, "--reason", "typed twice")
    assert skipped.returncode == 0, skipped.stdout + skipped.stderr
    until(lambda: shop.orders_of() == (4, ["bad", "o-1", "o-3", "o-4"]), what="SQL has the order no more")
    [record] = shop.listed("--skipped")
    assert (record["event"], record["key"], record["reason"], record["intact"]) == (event, "c-1", "typed twice", True)
    assert record["actor"]
    assert record["time"]
    shop.place("o-5")
    until(lambda: shop.orders_of()[0] == 5, what="the folds go on from the refolded rows")


def test_a_record_without_a_key_is_quarantined_and_its_bytes_are_shown(shop: Shop) -> None:
    producer = Producer({"bootstrap.servers": shop.pipeline.addresses.kafka})
    producer.produce(shop.domain.events_topic, b"\xff\x00no JSON", None, partition_of(b"x", shop.domain.partitions))
    producer.flush(10)
    shop.pipeline.start("worker")
    [found] = until(shop.listed, what="the record is quarantined")
    assert (found["kind"], found["key"]) == ("quarantined", None)
    shown = shop.command("show", "orders", f"{found['partition']}:{found['offset']}", "--json")
    assert json.loads(shown.stdout)["value_hex"] == b"\xff\x00no JSON".hex(" ")


def test_a_worker_that_dies_while_it_refolds_does_it_once_when_it_is_back(shop: Shop, kafka: str) -> None:
    shop.mend()
    shop.pipeline.start("api", "relay")
    shop.place("o-1")
    shop.place("o-2")
    letters, epoch = DeadLetters(kafka, shop.domain), -1
    for number, point in enumerate(("refold.read", "refold.folded", "fold.produced:2"), 3):
        shop.pipeline.start("worker", crash_point=point)
        assert letters.refold(["c-1"], 0, lambda _: None) == ["c-1"], "it does not wait"
        until(lambda: shop.pipeline.died("worker") == -9, what=f"the worker dies at {point}")
        shop.place(f"o-{number}")
        shop.pipeline.start("worker")
        row = until(lambda n=number: shop.customer(kafka, orders=n), what="the customer has all orders")  # type: ignore[misc]  # mypy does not infer a lambda's default
        assert letters.held() == []
        assert row is not None
        assert row["epoch"] > epoch
        epoch = row["epoch"]
        shop.pipeline.kill("worker")
