"""Read models as of a position or an instant: exact, whatever is written meanwhile."""

import random
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import httpx
import pytest

from infra.history import recorded
from infra.stack import Addresses
from streams.kit.memory import whole
from streams.replay import fold_partition
from tests.e2e.shop import orders, send
from tests.integration.past import Ledger, PastShop, Selling, databases, opened, run
from tests.pipeline import Pipeline, until

POSITIONS, IN_TABLES = 100, 12
# How many seconds an edition waits for its events to be loaded.
LOADED_WITHIN = 60
KEPT = 3


@pytest.fixture(scope="module")
def shop(servers: Addresses, tmp_path_factory: pytest.TempPathFactory) -> Iterator[PastShop]:
    with opened(servers, Path(tmp_path_factory.mktemp("lookedback")), KEPT) as made:
        yield made


@pytest.fixture
def ledger(shop: PastShop) -> Ledger:
    return Ledger(shop.pipeline.addresses.postgres, shop.domain)


def _is_dropped(shop: PastShop, database: str) -> bool:
    return database not in databases(shop)


def test_a_refold_of_a_hundred_positions_equals_a_plain_fold_of_all_tables_byte_for_byte(
    shop: PastShop, ledger: Ledger
) -> None:
    history, head = recorded(shop.domain, shop.pipeline.addresses), len(ledger.events)
    folder = history.folder()
    with closing(history.stored()) as source:
        for position in [head, *random.Random(2).sample(range(1, head), POSITIONS - 1)]:
            mark, skips = history.mark(position), history.skips()
            made = [fold_partition(folder, source, number, mark, skips).tables for number in range(4)]
            tables = dict(zip(made[0], whole(folder, ledger.events[:position]).rows, strict=False))
            for name, expected in tables.items():
                found = {key: row for tables in made for key, row in tables[name].items()}
                assert found == dict(expected), (position, name)


def test_every_table_over_http_equals_a_plain_fold_while_the_shop_sells_on(shop: PastShop, ledger: Ledger) -> None:
    head = len(ledger.events)
    chosen = [0, head, 1, *random.Random(1).sample(range(2, head), IN_TABLES - 3)]
    with Selling(shop) as selling:
        for position in chosen:
            assert shop.tables(position) == ledger.tables(position), position
            found = shop.ask("/queries/revenue-by-month", as_of=position)
            assert found["data"] == ledger.revenue(position), position
            assert found["freshness"]["position"] == position
    assert selling.sold > 3, "it was to be looked into while it changes"
    until(lambda: len(databases(shop)) == KEPT, 20, what="of the editions only the last ones are kept")


def test_one_row_is_the_same_alone_as_in_its_table(shop: PastShop, ledger: Ledger) -> None:
    keys = {"orders": "order_id", "customers": "customer_id"}
    before = set(databases(shop))
    for position in random.Random(3).sample(range(1, len(ledger.events)), 3):
        tables = ledger.tables(position)
        for aggregate, key in keys.items():
            for row in tables[aggregate][::7]:
                assert shop.ask(f"/aggregates/{aggregate}/{row[key]}", as_of=position)["data"] == row, position
    assert set(databases(shop)) == before, "the events of its partition key are enough"
    [mug, *_] = ledger.tables(len(ledger.events))["products"]
    found = shop.ask("/aggregates/products/mug-0", as_of=len(ledger.events), timeout=30)
    assert found["data"] == mug, "where they cannot be known from the row's key, the whole table is made"
    [order, *_] = ledger.tables(4)["orders"]
    assert shop.ask(f"/{order['order_id']}/status", as_of=4)["data"]["status"] == order["status"]
    assert shop.ask("/o-0", 404, as_of=0)["rule"] == "unknown-id"
    assert shop.ask("/o-59", 404, as_of=1)["rule"] == "unknown-id"


def test_an_instant_is_the_position_of_the_last_event_appended_by_it(shop: PastShop, ledger: Ledger) -> None:
    chosen = random.Random(4).sample(range(2, len(ledger.events)), 5)
    for position in chosen:
        at = ledger.events[position - 1].time
        last = max(event.position for event in ledger.events if event.time <= at)
        earlier = max(event.position for event in ledger.events if event.time < at)
        for instant, expected in ((at, last), (at - timedelta(microseconds=1), earlier)):
            found = shop.ask("/o-0", as_of=instant.isoformat())
            assert found["freshness"]["position"] == expected
    now = shop.ask("/o-0", as_of=datetime.now(UTC).isoformat())["freshness"]
    assert now["position"] == now["head"]
    assert now["complete"]
    before = (ledger.events[0].time - timedelta(days=1)).isoformat()
    assert shop.ask("/", as_of=before, timeout=30)["data"] == []


def test_what_cannot_be_told_is_refused_with_the_reason(shop: PastShop) -> None:
    for wrong in ("", "-1", "yesterday", "2026-01-31", "2026-01-31T12:00:00", "1.5", "9" * 30):
        refused = shop.ask("/", 422, as_of=wrong)
        assert (refused["rule"], refused["field"]) == ("invalid-parameter", "as_of"), wrong
    tomorrow = (datetime.now(UTC) + timedelta(days=1)).isoformat()
    for beyond in (str(10**9), tomorrow):
        for path in ("/", "/o-1", "/queries/totals", "/aggregates/customers"):
            assert shop.ask(path, 422, as_of=beyond)["rule"] == "not-reached"
    for name, value in (("consistency", "strong"), ("token", "orders:1"), ("max_staleness", "1s")):
        assert shop.ask("/", 422, as_of=1, **{name: value})["field"] == name
    assert shop.ask("/aggregates/nobody", 404, as_of=1, timeout=30)["rule"] == "unknown-aggregate"


def test_an_edition_is_made_once_and_who_cannot_wait_is_told_how_far_it_is(shop: PastShop, ledger: Ledger) -> None:
    position = len(ledger.events) - 7
    shop.pipeline.start("api.2", port=shop.pipeline.second_port)
    hasty = shop.http.get("/", params={"as_of": position, "timeout": 0})
    assert hasty.status_code == 503
    assert hasty.json()["rule"] == "being-made"
    assert int(hasty.headers["Retry-After"]) >= 1
    ports = [shop.pipeline.port, shop.pipeline.second_port] * 3

    def ask(port: int) -> list[object]:
        url, asked = f"http://127.0.0.1:{port}/api/orders/", {"as_of": str(position), "timeout": "30", "limit": "1000"}
        return list(httpx.get(url, params=asked, timeout=60).json()["data"])

    with ThreadPoolExecutor(len(ports)) as threads:
        found = list(threads.map(ask, ports))
    shop.pipeline.stop("api.2")
    for rows in found:
        assert rows == ledger.tables(position)["orders"]
    assert len([name for name in databases(shop) if f"_asof_{position}_" in name]) == 1


def test_what_a_killed_process_left_unfinished_is_never_read_and_is_dropped(shop: PastShop, ledger: Ledger) -> None:
    position = len(ledger.events) - 9
    for point in ("asof.filled", "asof.copied"):
        shop.pipeline.start("api.2", port=shop.pipeline.second_port, crash_point=point)
        url = f"http://127.0.0.1:{shop.pipeline.second_port}/api/orders/"
        with pytest.raises(httpx.TransportError):
            httpx.get(url, params={"as_of": str(position), "timeout": "30"}, timeout=60)
        assert shop.pipeline.running.pop("api.2").wait(30) == -9
        [left] = [name for name in databases(shop) if f"_asof_{position}_" in name]
        if point == "asof.copied":
            shop.pipeline.start("api.2", port=shop.pipeline.second_port)
            until(partial(_is_dropped, shop, left), 30, what="the next process that starts drops it")
            shop.pipeline.stop("api.2")
        assert shop.tables(position) == ledger.tables(position)
        [made] = [name for name in databases(shop) if f"_asof_{position}_" in name]
        assert made != left
        run(shop, f"DROP DATABASE {made} SYNC")


def test_sql_of_ones_own_and_every_form_of_an_answer_can_be_as_of_a_position(shop: PastShop, ledger: Ledger) -> None:
    position = len(ledger.events) // 2
    expected = ledger.tables(position)["orders"]
    lines = shop.http.get("/queries/totals", params={"as_of": position, "timeout": 30}, headers={"Accept": "text/csv"})
    assert lines.status_code == 200, lines.text
    assert lines.headers["Headrace-Position"] == str(position)
    assert lines.text.splitlines()[0].replace('"', "") == "currency,customers,orders,items,revenue"
    count = "SELECT status, count() AS n FROM orders GROUP BY status ORDER BY status"
    done = shop.pipeline.run("sql", count, "--as-of", str(position), "--format", "ndjson")
    assert done.returncode == 0, done.stderr
    statuses = [row["status"] for row in expected]
    lines_of = [f'{{"status":"{each}","n":{statuses.count(each)}}}' for each in sorted(set(statuses))]
    assert done.stdout.split() == lines_of
    shown = shop.pipeline.run("sql", "SELECT count() FROM events", "--as-of", str(position))
    assert f"orders up to position {position:,}" in shown.stdout
    live = f"SELECT count() FROM {shop.domain.projection_database}.orders"
    refused = shop.pipeline.run("sql", live, "--as-of", str(position))
    assert refused.returncode != 0
    assert "none of the tables that can be queried" in refused.stderr, "present and past are never mixed"


def test_an_api_ends_at_once_though_it_waits_for_events_that_nobody_loads(pipeline: Pipeline) -> None:
    pipeline.prepare()
    pipeline.start("api")
    commands, _ = orders(0, 3)
    send(pipeline, commands)
    url, asked = f"{pipeline.url}/api/orders/", {"as_of": "3", "timeout": "0"}

    def waits() -> bool:
        answer = httpx.get(url, params=asked, timeout=30)
        return answer.status_code == 503 and "waits until the events are loaded" in answer.text

    until(waits, 30)
    began = time.monotonic()
    pipeline.stop("api")
    assert time.monotonic() - began < LOADED_WITHIN / 2
