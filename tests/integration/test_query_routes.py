"""The queries over HTTP on the real engines, over a small shop whose sums are known."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from infra import migrations, topics
from infra.stack import Addresses
from schemas import discover
from tests.conftest import fresh_database
from tests.e2e.shop import Totals, orders, send
from tests.pipeline import Pipeline

ORDERS = 60
Ask = Callable[..., Any]


@pytest.fixture(scope="module")
def shop(servers: Addresses, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Totals]]:
    """URL of the orders' routes, with all of the shop's commands visible in SQL, and what they add up to."""
    namespace = "queried"
    with fresh_database(servers.postgres) as postgres:
        migrations.migrate(postgres)
        topics.declare(servers.kafka, [discover(namespace)["orders"]])
        at = Addresses(**{**vars(servers), "postgres": postgres})
        pipeline = Pipeline(at, namespace, Path(tmp_path_factory.mktemp("queried")))
        pipeline.start("relay", "worker", "sink", "api")
        try:
            commands, totals = orders(0, ORDERS)
            send(pipeline, commands)
            url = f"{pipeline.url}/api/orders"
            answer = httpx.get(f"{url}/", params={"consistency": "strong", "timeout": 30}, timeout=60)
            assert answer.status_code == 200, answer.text
            yield url, totals
        finally:
            for name in list(pipeline.running):
                pipeline.kill(name)


@pytest.fixture
def ask(shop: tuple[str, Totals]) -> Ask:
    """The decoded answer of a GET below the orders' routes."""

    def get(path: str, expected: int = 200, /, **parameters: str) -> Any:
        answer = httpx.get(f"{shop[0]}{path}", params=parameters, timeout=30)
        assert answer.status_code == expected, answer.text[:500]
        return answer.json()

    return get


def test_paging_through_everything_in_any_order_meets_each_row_once(ask: Ask) -> None:
    for sort in ("order_id", "-total", "paid_at,-total", "-status"):
        rows, cursor = [], ""
        while True:
            page = ask("/", sort=sort, limit="7", **({"cursor": cursor} if cursor else {}))
            rows += page["data"]
            cursor = page["next"]
            if not cursor:
                break
        assert len({row["order_id"] for row in rows}) == len(rows) == ORDERS
    totals = [float(row["total"]) for row in ask("/", sort="-total")["data"]]
    assert totals == sorted(totals, reverse=True)


def test_filters_choose_by_column_and_operator(ask: Ask, shop: tuple[str, Totals]) -> None:
    cancelled = ask("/", status="cancelled")["data"]
    assert len(cancelled) == shop[1].cancelled
    others = ask("/", status__in="delivered,shipped", total__gte="100.00")["data"]
    assert others
    assert all(row["status"] == "delivered" and float(row["total"]) >= 100 for row in others)
    assert ask("/", placed_at__lt="2025-01-01T00:00:00Z")["data"] == []


def test_an_order_its_status_and_its_log(ask: Ask) -> None:
    row = ask("/o-0")["data"]
    assert row["order_id"] == "o-0"
    assert ask("/o-0/status")["data"]["status"] == row["status"]
    log = ask("/o-0/log")["data"]
    assert [event["version"] for event in log] == list(range(1, len(log) + 1))
    assert log[0]["data"]["type"] == log[0]["type"] == "OrderPlaced"
    assert ask("/nobody", 404)["rule"] == "unknown-id"
    assert ask("/nobody/log", 404)["rule"] == "unknown-stream"


def test_the_event_record_is_dense_and_filtered_by_type(ask: Ask, shop: tuple[str, Totals]) -> None:
    events, after = [], 0
    while True:
        page = ask("/events", after=str(after), limit="50")
        events += page["data"]
        if page["next"] is None:
            break
        after = page["next"]
    assert [event["position"] for event in events] == list(range(1, shop[1].events + 1))
    placed = ask("/events", type="OrderPlaced", limit="1000")["data"]
    assert len(placed) == ORDERS
    assert ask("/events", 422, type="OrderLost")["field"] == "type"


def test_named_queries_answer_exact_money(ask: Ask, shop: tuple[str, Totals]) -> None:
    expected = shop[1]
    [month] = ask("/queries/revenue-by-month")["data"]
    assert (month["month"], month["orders"], month["items"]) == ("2025-01", expected.orders, expected.items)
    assert month["revenue"] == str(expected.revenue)
    [whole] = ask("/queries/totals")["data"]
    assert whole["revenue"] == str(expected.spent)
    assert (whole["customers"], whole["orders"]) == (_buyers(ask), expected.orders - expected.cancelled)
    best = ask("/queries/top-customers", limit="3")["data"]
    assert len(best) == 3
    assert ask("/queries/rfm", limit="5", day="2025-02-01")["data"][0]["r"] in range(1, 6)
    by_status = {row["status"]: row["orders"] for row in ask("/queries/orders-by-status")["data"]}
    assert sum(by_status.values()) == ORDERS
    assert {query["name"] for query in ask("/queries")["data"]} >= {"rfm", "totals", "revenue-by-month"}


def _buyers(ask: Ask) -> int:
    rows = ask("/aggregates/customers", limit="1000")["data"]
    return sum(row["orders"] > 0 and "USD" in row["spent"] for row in rows)


def test_a_customer_is_another_aggregate(ask: Ask) -> None:
    customer = ask("/aggregates/customers", limit="1")["data"][0]
    assert ask(f"/aggregates/customers/{customer['customer_id']}")["data"] == customer
    assert ask("/aggregates/nobody", 404)


def test_every_answer_says_how_fresh_it_is(ask: Ask, shop: tuple[str, Totals]) -> None:
    for path in ("/", "/o-0", "/o-0/log", "/events", "/queries/totals", "/aggregates/customers"):
        fresh = ask(path)["freshness"]
        assert fresh["position"] == fresh["head"] == shop[1].events, path
        assert fresh["complete"] is True
        assert fresh["staleness_ms"] == 0


def test_a_token_of_the_future_is_refused(ask: Ask) -> None:
    problem = ask("/o-0", 422, consistency="token", token="orders:999999", timeout="0.2")
    assert (problem["rule"], problem["field"]) == ("invalid-token", "token")
    assert "events only" in problem["detail"]


@pytest.mark.parametrize(
    "parameters",
    [
        {"order_id": "' OR 1=1 --"},
        {"status": "x') UNION ALL SELECT * FROM system.users --"},
        {"customer_id": "{v0:String}"},
    ],
)
def test_a_value_that_tries_to_be_sql_is_only_a_value(ask: Ask, parameters: dict[str, str]) -> None:
    assert ask("/", **parameters)["data"] == []


@pytest.mark.parametrize(
    "parameters",
    [
        {"sort": "order_id; DROP TABLE orders"},
        {"order_id = order_id OR order_id": "x"},
        {"total__gte": "1 OR 1=1"},
        {"total__gte": "ten"},
        {"placed_at__gte": "yesterday-ish"},
        {"cursor": "W1sib3JkZXJfaWQiXSxbInggT1IgMT0xIl1d", "sort": "total"},
    ],
)
def test_what_cannot_be_a_value_or_a_name_gets_a_problem_document(ask: Ask, parameters: dict[str, str]) -> None:
    assert ask("/", 422, **parameters)["rule"] in ("unknown-column", "invalid-value", "invalid-cursor")
    assert len(ask("/")["data"]) == ORDERS
