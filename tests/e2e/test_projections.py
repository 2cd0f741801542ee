"""A changed fold beside the one that it replaces: both run at once on the same events, each with a table of its own."""

import dataclasses
import json
import re
import shutil
from pathlib import Path

import clickhouse_driver
import httpx
import pytest

from infra.stack import Addresses
from schemas import Domain, Earlier, discover
from tests.integration.order_source import Publisher, Source, table
from tests.pipeline import Pipeline, until
from tests.tree import copied


def _edit(file: Path, old: str, new: str) -> None:
    text = file.read_text()
    assert text.count(old) == 1, f"{file}: {old}"
    file.write_text(text.replace(old, new))


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A copy of the packages in which the folds of orders were changed, as docs/how-to/change-a-fold.md says."""
    copy = copied(tmp_path / "tree")
    shutil.copy(copy / "streams/domains/orders.py", copy / "streams/domains/orders_v1.py")
    shutil.copytree(copy / "sinks/domains/orders", copy / "sinks/domains/orders_v1")
    schema = (copy / "schemas/orders.py").read_text()
    [aggregates] = re.findall(r"^    aggregates=(\(.*?\)),$", schema, flags=re.M | re.S)
    versions = f"projection=2,\n    earlier=(Earlier(projection=1, aggregates={aggregates}),)"
    _edit(copy / "schemas/orders.py", f"aggregates={aggregates},\n", f"aggregates={aggregates},\n    {versions},\n")
    _edit(copy / "schemas/orders.py", " Domain, Event,", " Domain, Earlier, Event,")
    _edit(copy / "streams/domains/orders.py", 'status="paid"', 'status="placed"')
    return copy


def _statuses(kafka: str, domain: Domain) -> dict[str, str]:
    rows = table(kafka, domain.aggregate_topic(domain.aggregate("orders")))
    return {key: row["data"]["status"] for key, row in rows.items()}


def _in_sql(url: str, domain: Domain) -> dict[str, str]:
    client = clickhouse_driver.Client.from_url(url)
    try:
        return dict(client.execute(f"SELECT order_id, status FROM {domain.projection_database}.orders FINAL"))
    except clickhouse_driver.errors.ServerException:
        return {}  # not made yet
    finally:
        client.disconnect()


def test_two_versions_of_a_fold_run_at_once_and_the_death_of_one_does_not_touch_the_other(
    tree: Path, addresses: Addresses, namespace: str, tmp_path: Path
) -> None:
    new = discover(namespace)["orders"]
    assert new.projection == 1, "this test makes projection 2"
    [old, new] = _declared(new)
    pipeline = Pipeline(addresses, namespace, tmp_path, tree=tree)
    pipeline.prepare()
    source, publisher = Source(), Publisher(addresses.kafka, old)
    try:
        pipeline.start("worker.v1", "worker.v2", "sink", "api")
        publisher.publish_all(source, 2_000)
        first = dict(source.ledger.status)
        until(
            lambda: _statuses(addresses.kafka, new) == _without_payment(first), 60, what="version 2 equals its ledger"
        )
        pipeline.kill("worker.v2")
        publisher.publish_all(source, 2_000)
        until(lambda: _statuses(addresses.kafka, old) == source.ledger.status, 60, what="version 1 goes on")
        assert _statuses(addresses.kafka, new) == _without_payment(first), "nobody writes for version 2"
        pipeline.start("worker.v2")
        second = _without_payment(source.ledger.status)
        until(lambda: _statuses(addresses.kafka, new) == second, 60, what="version 2 has caught up")
        until(lambda: _in_sql(addresses.clickhouse, new) == second, 60, what="version 2 is loaded")
        until(lambda: _in_sql(addresses.clickhouse, old) == source.ledger.status, 60, what="version 1 is loaded")
        paid = sum(status == "paid" for status in source.ledger.status.values())
        asked = {"status": "paid", "limit": "1000"}
        found = httpx.get(f"{pipeline.url}/api/orders/", params=asked, timeout=30)
        assert found.status_code == 200, found.text
        assert len(found.json()["data"]) == paid > 0, "queries read the older one until it is removed"

        publisher.publish([("customer-x", b"no event")])
        until(lambda: _held(pipeline) == [("customer-x", 1), ("customer-x", 2)], 60, what="both versions hold the key")
        assert _held(pipeline, "--projection", "2") == [("customer-x", 2)]
        redriven = pipeline.run("dead-letters", "redrive", "orders", "customer-x", "--json")
        assert redriven.returncode == 0, redriven.stdout + redriven.stderr
        assert len(redriven.stdout.splitlines()) == 2, "one request, and each version answers"
        assert _held(pipeline) == []
    finally:
        pipeline.stop()


def _held(pipeline: Pipeline, *options: str) -> list[tuple[str, int]]:
    listed = pipeline.run("dead-letters", "list", "orders", "--json", *options)
    assert listed.returncode == 0, listed.stderr
    found = [json.loads(line) for line in listed.stdout.splitlines()]
    return [(each["key"], each["projection"]) for each in found]


def _declared(orders: Domain) -> tuple[Domain, ...]:
    return dataclasses.replace(
        orders, projection=2, earlier=(Earlier(projection=1, aggregates=orders.aggregates),)
    ).projections


def _without_payment(status: dict[str, str]) -> dict[str, str]:
    return {key: "placed" if each == "paid" else each for key, each in status.items()}
