"""How fresh answers are: waiting for tokens, tables that lag, bounds of staleness."""

import threading
from datetime import UTC, datetime, timedelta

from tests.integration.filled import AT, Shop


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
    for path, upto in (
        *(("/", 0), ("/queries/orders-by-status", 0)),
        *(("/aggregates/customers", 3), ("/queries/top-customers", 3), ("/queries/totals", 3)),
    ):
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


def test_a_bound_of_staleness_is_kept_or_the_answer_says_how_old_it_would_be(shop: Shop) -> None:
    shop.head = 3
    shop.complete(shop.topic("orders"), 2, time=datetime.now(UTC) - timedelta(minutes=1))
    assert shop.ask("/", max_staleness="2m")["freshness"]["position"] == 2
    refused = shop.ask("/", 503, max_staleness="59s", timeout="0.2")
    assert (refused["rule"], "complete up to 2" in refused["detail"]) == ("too-stale", True)
    for path in ("/queries/orders-by-status", "/aggregates/orders", "/o-1"):
        assert shop.ask(path, 503, max_staleness="1500ms", timeout="0")["rule"] == "too-stale", path

    later = threading.Timer(0.3, shop.complete, [shop.topic("orders"), 3])
    later.start()
    fresh = shop.ask("/", max_staleness="1s", timeout="20")["freshness"]
    later.join()
    assert (fresh["position"], fresh["staleness_ms"]) == (3, 0)


def test_a_complete_state_is_of_now_however_old_its_last_event_is(shop: Shop) -> None:
    shop.head = 2
    shop.complete(shop.topic("orders"), 2, time=datetime.now(UTC) - timedelta(days=1))
    assert shop.ask("/", max_staleness="0s")["freshness"]["complete"] is True
    shop.head = None
    assert shop.ask("/", 503, max_staleness="1h", timeout="0")["rule"] == "too-stale"


def test_a_bad_parameter_is_refused_at_once_and_not_after_the_wait(shop: Shop) -> None:
    waiting = {"token": "orders:5", "timeout": "30"}
    for path, bad in (("/", "total__gte"), ("/o-1", "x"), ("/o-1/log", "after"), ("/events", "limit")):
        before = datetime.now(UTC)
        assert shop.ask(path, 422, **waiting, **{bad: "y"})["field"] == bad
        assert datetime.now(UTC) - before < timedelta(seconds=20), path
