"""`headrace rebuild` on a running pipeline: equal under live writes, refused, switched, switched back and dropped."""

import json
import threading
from collections.abc import Iterator
from functools import partial
from typing import Any

import httpx
import pytest

from infra.stack import Addresses
from tests.e2e.rebuilt import ORDERS, Shop, rebuilt_shop
from tests.e2e.shop import loaded
from tests.pipeline import until


@pytest.fixture(scope="module")
def shop(servers: Addresses, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    with rebuilt_shop(servers, "rebuilt", tmp_path_factory.mktemp("rebuilt")) as made:
        yield made


def test_a_dry_run_says_what_it_takes_and_changes_nothing(shop: Shop) -> None:
    [plan] = shop.rebuild("--dry-run")
    assert plan["events"] == shop.totals.events
    assert plan["rows"] >= shop.totals.orders + shop.totals.customers
    assert plan["rate"] > 0
    assert plan["seconds"] > 0
    assert plan["event_bytes"] > 100 * plan["events"]
    assert plan["hazards"] == []
    assert shop.rebuild("--status") == []


def test_a_rebuild_under_live_writes_equals_live_and_its_worker_goes_on_exactly_there(shop: Shop) -> None:
    done = threading.Event()

    def go_on() -> None:
        while not done.wait(0.3):
            shop.sell()

    selling = threading.Thread(target=go_on)
    selling.start()
    try:
        folded, verified = shop.rebuild("--no-switch")
    finally:
        done.set()
        selling.join()
    assert folded["events"] == folded["barrier"] >= ORDERS
    assert verified["differences"] == 0
    assert verified["position"] > folded["barrier"], "events came meanwhile"
    assert shop.live == shop.build(0)
    until(lambda: shop.rows(shop.build(0)) == shop.rows(shop.build(1)), 30, what="both builds are kept up to date")


def test_a_row_that_was_altered_refuses_the_switch_until_it_is_accepted_by_name(shop: Shop) -> None:
    new = shop.build(1).projection_database
    [(customer, spent)] = shop.sql(f"SELECT customer_id, items FROM {new}.customers FINAL ORDER BY customer_id LIMIT 1")
    alter = (
        f"INSERT INTO {new}.customers SELECT * REPLACE (items + (%s) AS items) "
        f"FROM {new}.customers FINAL WHERE customer_id = '{customer}'"
    )
    shop.sql(alter % "1")
    file = shop.pipeline.home / "differences.json"
    verified, difference = shop.rebuild("--differences", str(file), expected=1)
    assert (verified["differences"], verified["left"]) == (1, 1)
    altered = {"aggregate": "customers", "key": customer, "column": "items", "old": str(spent), "new": str(spent + 1)}
    assert difference == altered
    assert json.loads(file.read_bytes()) == [altered]
    shop.rebuild("--accept", "customers/nobody", "--differences", str(file), expected=1)
    assert shop.live == shop.build(0)
    *_, switched = shop.rebuild("--accept", str(file), "--differences", str(file))
    assert switched["switched"] == {"projection": 1, "build": 1}
    assert shop.live == shop.build(1)
    shop.sql(alter % "-1")
    shop.visible()
    assert loaded(shop.at.clickhouse, shop.build(1)) == shop.totals


def test_a_query_during_a_switch_is_answered_from_one_build(shop: Shop) -> None:
    """A row that the build before alone has stands in two tables: a query finds it in both or in none."""
    first, second = (shop.build(number) for number in (0, 1))
    for name, key in (("orders", "order_id"), ("customers", "customer_id")):
        table_ = f"{first.projection_database}.{name}"
        shop.sql(f"INSERT INTO {table_} SELECT * REPLACE ('marked' AS {key}) FROM {table_} FINAL LIMIT 1")
    asked = {
        "domain": "orders",
        "sql": "SELECT (SELECT count() FROM orders WHERE order_id = 'marked'), "
        "(SELECT count() FROM customers WHERE customer_id = 'marked')",
    }
    answers: list[tuple[Any, ...]] = []
    done = threading.Event()

    def ask() -> None:
        with httpx.Client(timeout=30) as client:
            while not done.is_set():
                answer = client.post(f"{shop.pipeline.url}/api/sql", json=asked)
                assert answer.status_code == 200, answer.text
                answers.append(tuple(answer.json()["data"][0].values()))

    asking = [threading.Thread(target=ask) for _ in range(2)]
    for thread in asking:
        thread.start()
    try:
        for former, next_ in ((second, first), (first, second), (second, first), (first, second)):
            seen = len(answers)
            until(partial(lambda seen: len(answers) > seen + 3, seen), 30, what="queries are answered")
            shop.switch(former, next_)
        seen = len(answers)
        until(lambda: (0, 0) in answers[seen:], 30, what="the last switch is seen")
    finally:
        done.set()
        for thread in asking:
            thread.join()
    assert set(answers) == {(0, 0), (1, 1)}


def test_it_is_switched_back_at_once_and_what_is_old_is_dropped(shop: Shop) -> None:
    shop.switch(shop.build(1), shop.build(0))
    [switched] = shop.rebuild("--switch-back")
    assert switched["switched"]["build"] == 1
    assert shop.live == shop.build(1)
    dropped = shop.rebuild("--drop-old")
    assert [each["dropped"]["build"] for each in dropped] == [0]
    assert shop.pipeline.running.pop("worker").wait(30) == 0, "its first build is gone: it ends, to be started again"
    shop.pipeline.start("worker")
    there = {name for (name,) in shop.sql("SHOW DATABASES")}
    assert shop.build(1).projection_database in there
    assert shop.build(0).projection_database not in there
    shop.sell()
    shop.visible()
    assert loaded(shop.at.clickhouse, shop.build(1)) == shop.totals
