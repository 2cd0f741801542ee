"""Editions of the past that are dropped while somebody reads them."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import httpx
import pytest

from infra.stack import Addresses
from tests.integration.past import Ledger, PastShop, databases, opened, run
from tests.pipeline import until
from tests.proxy import Proxy, proxy_of

KEPT = 3


@pytest.fixture(scope="module")
def shop(servers: Addresses, tmp_path_factory: pytest.TempPathFactory) -> Iterator[PastShop]:
    with opened(servers, Path(tmp_path_factory.mktemp("dropped")), KEPT) as made:
        yield made


@pytest.fixture
def ledger(shop: PastShop) -> Ledger:
    return Ledger(shop.pipeline.addresses.postgres, shop.domain)


def test_an_edition_that_is_dropped_while_it_is_read_is_made_anew_and_read_again(
    shop: PastShop, ledger: Ledger
) -> None:
    position = len(ledger.events) - 11
    wanted = {"as_of": str(position), "timeout": "30"}
    sql = {"sql": "SELECT order_id FROM orders ORDER BY order_id", "domain": "orders", "max_rows": 1000}
    asks: dict[str, Callable[[httpx.Client], httpx.Response]] = {
        "a list": lambda api: api.get("/api/orders/", params={**wanted, "limit": "1000"}),
        "a named query": lambda api: api.get("/api/orders/queries/totals", params=wanted),
        "a page of it": lambda api: api.get("/api/orders/queries/totals", params={**wanted, "limit": "5"}),
        "as lines": lambda api: api.get("/api/orders/queries/totals", params=wanted, headers={"Accept": "text/csv"}),
        "a row": lambda api: api.get("/api/orders/aggregates/products/mug-0", params=wanted),
        "a statement": lambda api: api.post("/api/sql", params=wanted, json=sql),
        "a page of one": lambda api: api.post("/api/sql", params=wanted, json={**sql, "limit": 1000}),
    }
    with reading_through_a_proxy(shop) as (api, proxy), httpx.Client(base_url=shop.pipeline.url, timeout=60) as other:
        for name, ask in asks.items():
            before = ask(other)  # who was asked just now would not note that it reads the edition
            assert before.status_code == 200, (name, before.text)
            after = answered(partial(dropped_under, shop, position, proxy, partial(ask, api)))
            assert (after.status_code, after.content) == (200, before.content), (name, after.text)


@contextmanager
def reading_through_a_proxy(shop: PastShop) -> Iterator[tuple[httpx.Client, Proxy]]:
    """A second API, whose reads of ClickHouse can be held."""
    with proxy_of(shop.pipeline.addresses.clickhouse_reader) as proxy:
        shop.pipeline.settings["HEADRACE_CLICKHOUSE_READER"] = proxy.url(shop.pipeline.addresses.clickhouse_reader)
        shop.pipeline.start("api.2", port=shop.pipeline.second_port)
        try:
            with httpx.Client(base_url=f"http://127.0.0.1:{shop.pipeline.second_port}", timeout=60) as api:
                yield api, proxy
        finally:
            proxy.release()
            del shop.pipeline.settings["HEADRACE_CLICKHOUSE_READER"]
            shop.pipeline.stop("api.2")


def answered(ask: Callable[[], httpx.Response]) -> httpx.Response:
    """The first answer that does not say that ClickHouse is away: a connection that is held for three seconds, as may
    happen on a busy machine, is given up.
    """

    def told() -> list[httpx.Response]:
        answer = ask()
        return [] if "clickhouse-away" in answer.text else [answer]

    [answer] = until(told)
    return answer


def dropped_under(shop: PastShop, position: int, proxy: Proxy, ask: Callable[[], httpx.Response]) -> httpx.Response:
    """The answer of somebody who has found the edition, and under whom it is dropped before the rows are read."""
    shop.ask("/", as_of=position, timeout=30)
    [edition] = [name for name in databases(shop) if f"_asof_{position}_" in name]
    seen = f"SELECT count() FROM {edition}.edition"
    with ThreadPoolExecutor(1) as threads:
        [(before,)] = run(shop, seen)
        proxy.hold()
        answer = threads.submit(ask)
        until(lambda: run(shop, seen) > [(before,)], 20, what="the edition is found")
        run(shop, f"DROP DATABASE {edition} SYNC")
        proxy.release()
        return answer.result(60)


def test_who_reads_an_edition_slowly_gets_all_of_it_and_holds_nobody_up_though_it_is_dropped_meanwhile(
    shop: PastShop, ledger: Ledger
) -> None:
    position, rows = len(ledger.events) - 13, 200_000
    text = f"SELECT a.position, b.position, c.data FROM events a, events b, events c LIMIT {rows}"
    sql = {"sql": text, "domain": "orders", "max_rows": rows, "max_seconds": 30}
    asked, csv = {"as_of": str(position), "timeout": "30"}, {"Accept": "text/csv"}
    url = f"{shop.pipeline.url}/api/sql"
    with httpx.stream("POST", url, params=asked, json=sql, headers=csv, timeout=60) as slow:
        assert slow.status_code == 200, slow.read()
        lines = slow.iter_lines()
        next(lines)
        for other in range(position - KEPT, position):
            shop.ask("/", as_of=other, timeout=30)
        until(lambda: not any(f"_asof_{position}_" in name for name in databases(shop)), 20)
        assert sum(1 for _ in lines) == rows


def test_the_next_page_of_a_dropped_edition_goes_on_where_the_last_one_ended(shop: PastShop, ledger: Ledger) -> None:
    position = len(ledger.events) - 15
    asked = {"as_of": position, "timeout": 30, "limit": 25}
    first = shop.ask("/", **asked)
    [edition] = [name for name in databases(shop) if f"_asof_{position}_" in name]
    run(shop, f"DROP DATABASE {edition} SYNC")
    second = shop.ask("/", **asked, cursor=first["next"])
    assert first["data"] + second["data"] == ledger.tables(position)["orders"][:50]
