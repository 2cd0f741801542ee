"""The read side's routes alone, over tables that the test fills: waiting for tokens, tables that lag, outages."""

import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import clickhouse_driver
import pytest
from litestar import Litestar
from litestar.testing import TestClient

from producers.http import EXCEPTION_HANDLERS
from schemas import Domain
from sinks.query import routes
from sinks.tables import prepare
from tests.proxy import Proxy, proxy_of

AT = datetime(2025, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)


class Shop:
    """The domain's tables, filled by hand, and its routes behind a proxy."""

    def __init__(self, writer: str, proxy: Proxy, reader: str, domain: Domain) -> None:
        self.domain, self.proxy = domain, proxy
        self.head: int | None = 0
        self._writer = clickhouse_driver.Client.from_url(writer)
        made = routes({domain.name: domain}, proxy.url(reader), lambda _: self.head)
        app = Litestar(route_handlers=made, exception_handlers=EXCEPTION_HANDLERS, openapi_config=None)
        self.http = TestClient(app, raise_server_exceptions=False)
        self._offset = 0

    def close(self) -> None:
        self._writer.disconnect()

    def _insert(self, table: str, row: dict[str, Any]) -> None:
        self._writer.execute(f"INSERT INTO {table} ({', '.join(row)}) VALUES", [tuple(row.values())])

    def _engine(self, **also: Any) -> dict[str, Any]:
        self._offset += 1
        return {"position": self._offset, "epoch": 0, "is_deleted": 0, "kafka_offset": self._offset, **also}

    def order(self, order_id: str, total: str = "1.00", **also: Any) -> None:
        """A version of an order's row; the last one counts."""
        row = {"order_id": order_id, "customer_id": "c-1", "status": "placed", "items": 1, "currency": "USD"}
        row |= {"total": Decimal(total), "placed_at": AT, "kafka_partition": 0}
        self._insert(f"{self.domain.projection_database}.orders", {**row, **self._engine(), **also})

    def customer(self, customer_id: str, **spent: str) -> None:
        amounts = {currency: Decimal(amount) for currency, amount in spent.items()}
        row = {"customer_id": customer_id, "orders": 1, "items": 2, "spent": amounts, "delivered": 0, "cancelled": 0}
        row |= {"first_purchase": AT, "last_purchase": AT, "kafka_partition": 0}
        self._insert(f"{self.domain.projection_database}.customers", {**row, **self._engine()})

    def event(self, position: int, stream: str, version: int, kind: str, data: str) -> None:
        row = {"position": position, "id": f"e-{position}", "type": kind, "stream": stream, "version": version}
        row |= {"partition_key": "c-1", "event_time": AT, "time": AT, "correlation_id": "c", "causation_id": ""}
        row |= {"hash": "h", "data": data, "kafka_partition": 0, "kafka_offset": position}
        self._insert(f"{self.domain.database}.events", row)

    def complete(self, topic: str, position: int, partitions: int | None = None, time: datetime = AT) -> None:
        """The topic's tables are complete up to a position, in all of its partitions or in the first ones."""
        for number in range(self.domain.partitions if partitions is None else partitions):
            row = {"topic": topic, "epoch": "1", "kafka_partition": number, "position": position}
            self._insert(f"{self.domain.database}.progress", {**row, "time": time, "kafka_offset": position})

    def topic(self, aggregate: str) -> str:
        return self.domain.aggregate_topic(self.domain.aggregate(aggregate))

    def ask(self, path: str, expected: int = 200, /, **parameters: str) -> Any:
        """The decoded answer of a GET below the domain's routes."""
        answer = self.http.get(f"/api/orders{path}", params=parameters)
        assert answer.status_code == expected, answer.text[:500]
        assert "Stack trace" not in answer.text
        return answer.json()

    def ids(self, **parameters: str) -> list[str]:
        return [row["order_id"] for row in self.ask("/", **parameters)["data"]]


@pytest.fixture
def shop(clickhouse: str, clickhouse_reader: str, domain: Domain) -> Iterator[Shop]:
    prepare(clickhouse, [domain])
    with proxy_of(clickhouse_reader) as proxy:
        made = Shop(clickhouse, proxy, clickhouse_reader, domain)
        with made.http:
            yield made
        made.close()


def test_the_last_version_of_a_row_counts_and_a_removed_row_is_gone(shop: Shop) -> None:
    shop.order("o-1", "1.00")
    shop.order("o-1", "2.50", status="paid", paid_at=AT)
    shop.order("o-2")
    shop.order("o-2", is_deleted=1)
    assert shop.ask("/o-1")["data"] == {
        "order_id": "o-1",
        "customer_id": "c-1",
        "status": "paid",
        "items": 1,
        "total": "2.50",
        "currency": "USD",
        "placed_at": "2025-01-02T03:04:05.678901Z",
        "paid_at": "2025-01-02T03:04:05.678901Z",
        "shipped_at": None,
        "delivered_at": None,
        "cancelled_at": None,
        "position": 2,
    }
    assert shop.ask("/o-2", 404)["rule"] == "unknown-id"
    assert shop.ids() == ["o-1"]
    assert shop.ask("/o-1/status")["data"]["status"] == "paid"


def test_filters_take_every_operator(shop: Shop) -> None:
    for number, total in enumerate(("1.00", "2.00", "10.00")):
        shop.order(f"o-{number}", total)
    assert shop.ids(total="2.00") == ["o-1"]
    assert shop.ids(total__ne="2.00") == ["o-0", "o-2"]
    assert shop.ids(total__gt="2.00") == ["o-2"]
    assert shop.ids(total__gte="2.00", total__lt="10.00") == ["o-1"]
    assert shop.ids(total__lte="2") == ["o-0", "o-1"]
    assert shop.ids(order_id__in="o-0,o-2") == ["o-0", "o-2"]
    assert shop.ids(placed_at="2025-01-02T05:04:05.678901+02:00", sort="-total") == ["o-2", "o-1", "o-0"]


def test_any_text_is_found_again_by_filter_and_passed_by_cursor(shop: Shop) -> None:
    texts = ["a\\b", "a\tb", "a'b", "a\nb", "é☃", "", "a\x00b", '"q"', "\\N", "{v0:String}", "' OR 1=1 --", "a%b"]
    for number, text in enumerate(texts):
        shop.order(f"o-{number}", customer_id=text)
    for number, text in enumerate(texts):
        assert shop.ids(customer_id=text) == [f"o-{number}"], text
    met, cursor = [], ""
    while True:
        found = shop.ask("/", sort="customer_id", limit="1", **({"cursor": cursor} if cursor else {}))
        met += [row["customer_id"] for row in found["data"]]
        cursor = found["next"]
        if not cursor:
            break
    assert met == sorted(texts, key=str.encode)


def test_pages_over_rows_without_a_value_meet_each_once(shop: Shop) -> None:
    for number in range(5):
        shop.order(f"o-{number}", paid_at=AT + timedelta(days=number) if number % 2 else None)
    met, cursor = [], ""
    while True:
        found = shop.ask("/", sort="-paid_at", limit="2", **({"cursor": cursor} if cursor else {}))
        met += [row["order_id"] for row in found["data"]]
        cursor = found["next"]
        if not cursor:
            break
    assert met == ["o-3", "o-1", "o-0", "o-2", "o-4"]


def test_a_log_goes_on_after_a_version(shop: Shop) -> None:
    shop.event(1, "o-1", 1, "OrderPlaced", '{"type":"OrderPlaced","order_id":"o-1"}')
    shop.event(2, "o-2", 1, "OrderPlaced", '{"type":"OrderPlaced","order_id":"o-2"}')
    shop.event(3, "o-1", 2, "OrderPaid", '{"type":"OrderPaid","order_id":"o-1"}')
    first = shop.ask("/o-1/log", limit="1")
    assert (first["data"][0]["data"], first["next"]) == ({"type": "OrderPlaced", "order_id": "o-1"}, 1)
    rest = shop.ask("/o-1/log", after="1")
    assert ([event["type"] for event in rest["data"]], rest["next"]) == (["OrderPaid"], None)
    assert [event["position"] for event in shop.ask("/events", stream="o-1")["data"]] == [1, 3]
    assert shop.ask("/events", 422, since="1")["field"] == "since"


def test_named_queries_answer_money_of_each_currency_exactly(shop: Shop) -> None:
    shop.customer("c-1", USD="0.10", EUR="9999999999999.99")
    shop.customer("c-2", USD="0.20")
    shop.customer("c-3", USD="0.20")
    best = shop.ask("/queries/top-customers", limit="2")["data"]
    assert [(row["customer_id"], row["spent"]) for row in best] == [("c-2", "0.20"), ("c-3", "0.20")]
    assert shop.ask("/queries/top-customers", currency="EUR")["data"][0]["spent"] == "9999999999999.99"
    assert shop.ask("/aggregates/customers/c-1")["data"]["spent"] == {"USD": "0.10", "EUR": "9999999999999.99"}
    scores = shop.ask("/queries/rfm", as_of="2025-02-01")["data"]
    assert [(row["recency_days"], row["monetary"]) for row in scores] == [(30, "0.20"), (30, "0.20"), (30, "0.10")]
    assert shop.ask("/queries/top-customers", 422, limit="many")["field"] == "limit"
    assert shop.ask("/queries/top-customers", 422, amount="1")["field"] == "amount"
    assert shop.ask("/queries/rfm", 422, as_of="soon")["field"] == "as_of"
    assert shop.ask("/queries/worst-customers", 404)["rule"] == "unknown-query"


def test_a_parameter_of_a_named_query_that_tries_to_be_sql_is_only_a_value(shop: Shop) -> None:
    shop.customer("c-1", USD="1.00")
    for evil in ("USD'] OR 1=1 --", "'", "\\", "{limit:UInt32}"):
        assert shop.ask("/queries/top-customers", currency=evil)["data"] == []
    assert len(shop.ask("/queries/top-customers")["data"]) == 1


def test_a_token_waits_until_the_table_is_complete_in_every_partition(shop: Shop) -> None:
    shop.head = 5
    shop.complete(shop.topic("orders"), 5, partitions=shop.domain.partitions - 1)
    problem = shop.ask("/", 503, token="orders:5", timeout="0.1")
    assert (problem["rule"], "complete up to 0" in problem["detail"]) == ("not-yet-visible", True)

    def load() -> None:
        shop.order("o-1")
        shop.complete(shop.topic("orders"), 5)

    later = threading.Timer(0.3, load)
    later.start()
    answer = shop.ask("/", consistency="token", token="orders:5", timeout="20")
    later.join()
    assert [row["order_id"] for row in answer["data"]] == ["o-1"]
    assert answer["freshness"]["position"] == 5
    assert (answer["freshness"]["complete"], answer["freshness"]["staleness_ms"]) == (True, 0)


def test_only_the_tables_that_a_query_reads_hold_it_up(shop: Shop) -> None:
    shop.head = 5
    shop.event(1, "o-1", 1, "OrderPlaced", "{}")
    shop.complete(shop.domain.events_topic, 5)
    shop.complete(shop.topic("customers"), 3)
    for path in ("/events", "/o-1/log", "/queries/revenue-by-month"):
        assert shop.ask(path, token="orders:5", timeout="0.1")["freshness"]["position"] == 5, path
    for path, upto in (("/", 0), ("/queries/totals", 0), ("/aggregates/customers", 3), ("/queries/top-customers", 3)):
        refused = shop.http.get(f"/api/orders{path}", params={"token": "orders:5", "timeout": "0.1"})
        assert (refused.status_code, refused.headers["Retry-After"]) == (503, "1"), path
        assert f"complete up to {upto}" in refused.json()["detail"]


def test_what_an_earlier_epoch_said_does_not_count(shop: Shop) -> None:
    shop.complete(shop.topic("orders"), 9)
    for number in range(shop.domain.partitions):
        row = (shop.topic("orders"), "2", number, 4, AT, 1)
        names = "topic, epoch, kafka_partition, position, time, kafka_offset"
        shop._writer.execute(f"INSERT INTO {shop.domain.database}.progress ({names}) VALUES", [row])
    assert shop.ask("/")["freshness"]["position"] == 4


def test_strong_is_the_head_and_needs_it(shop: Shop) -> None:
    shop.head = 0
    assert shop.ask("/", consistency="strong")["freshness"]["complete"] is True
    shop.head = 2
    assert shop.ask("/", 503, consistency="strong", timeout="0.1")["rule"] == "not-yet-visible"
    shop.complete(shop.topic("orders"), 2)
    assert shop.ask("/", consistency="strong")["freshness"]["position"] == 2
    shop.head = None
    assert shop.ask("/", 503, consistency="strong")["rule"] == "head-unknown"
    fresh = shop.ask("/")["freshness"]
    assert (fresh["head"], fresh["complete"], fresh["position"]) == (None, None, 2)


def test_an_answer_that_is_behind_says_by_how_much(shop: Shop) -> None:
    shop.head = 3
    shop.complete(shop.topic("orders"), 2, time=datetime.now(UTC) - timedelta(minutes=1))
    answer = shop.http.get("/api/orders/")
    fresh = answer.json()["freshness"]
    assert (answer.headers["Headrace-Position"], fresh["position"], fresh["complete"]) == ("2", 2, False)
    assert 60_000 <= fresh["staleness_ms"] < 120_000


def test_a_bad_parameter_is_refused_at_once_and_not_after_the_wait(shop: Shop) -> None:
    waiting = {"token": "orders:5", "timeout": "30"}
    for path, bad in (("/", "total__gte"), ("/o-1", "x"), ("/o-1/log", "after"), ("/events", "limit")):
        before = datetime.now(UTC)
        assert shop.ask(path, 422, **waiting, **{bad: "y"})["field"] == bad
        assert datetime.now(UTC) - before < timedelta(seconds=20), path


def test_while_clickhouse_is_away_queries_say_so_and_afterwards_they_answer(shop: Shop) -> None:
    shop.order("o-1")
    assert shop.ids() == ["o-1"]
    shop.proxy.cut()
    refused = shop.http.get("/api/orders/")
    assert (refused.status_code, refused.json()["rule"]) == (503, "clickhouse-away")
    assert refused.headers["Retry-After"] == "1"
    shop.proxy.mend()
    assert shop.ids() == ["o-1"]
    assert shop.ask("/o-1")["data"]["order_id"] == "o-1"


def test_the_static_paths_are_no_ids(shop: Shop) -> None:
    for name in ("events", "queries"):
        shop.order(name)
        assert isinstance(shop.ask(f"/{name}")["data"], list)
        assert shop.ask(f"/aggregates/orders/{name}")["data"]["order_id"] == name
