"""The read side's routes alone, over tables that the test fills: rows, filters, logs, outages."""

from datetime import timedelta

from tests.integration.filled import AT, Shop


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
    scores = shop.ask("/queries/rfm", day="2025-02-01")["data"]
    assert [(row["recency_days"], row["monetary"]) for row in scores] == [(30, "0.20"), (30, "0.20"), (30, "0.10")]
    assert shop.ask("/queries/top-customers", 422, limit="many")["field"] == "limit"
    assert shop.ask("/queries/top-customers", 422, amount="1")["field"] == "amount"
    assert shop.ask("/queries/rfm", 422, day="soon")["field"] == "day"
    assert shop.ask("/queries/worst-customers", 404)["rule"] == "unknown-query"


def test_a_parameter_of_a_named_query_that_tries_to_be_sql_is_only_a_value(shop: Shop) -> None:
    shop.customer("c-1", USD="1.00")
    for evil in ("USD'] OR 1=1 --", "'", "\\", "{limit:UInt32}"):
        assert shop.ask("/queries/top-customers", currency=evil)["data"] == []
    assert len(shop.ask("/queries/top-customers")["data"]) == 1


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
