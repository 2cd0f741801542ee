"""Long streams are read in pages, by commands and by whoever looks into the past."""

import asyncio
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import psycopg2
import pytest

from infra.stack import Addresses
from producers import CommandHandler, PostgresEventStore, Request
from producers.handling.fingerprints import fingerprint
from producers.history import Traveller
from schemas import discover, stage_module
from schemas.orders import ProductAdded, ProductChanged
from tests.integration.long_streams import PRODUCTS, change, fill, fill_with
from tests.order_commands import DAY
from tests.pipeline import Pipeline, until
from tests.products import DECIDER, ChangeProduct


@pytest.fixture
def store(postgres: str) -> Iterator[PostgresEventStore]:
    made = PostgresEventStore(postgres, PRODUCTS)
    yield made
    made.close()


def test_one_load_answers_no_more_events_than_fit(store: PostgresEventStore, monkeypatch: pytest.MonkeyPatch) -> None:
    for stream, amount in (("a", 30), ("b", 10), ("c", 50), ("d", 10), ("e", 10)):
        fill(store, amount, stream)
    monkeypatch.setattr("producers.store.postgres._LONGEST", 40)
    monkeypatch.setattr("producers.store.postgres._MOST", 50)
    found = store.load(dict.fromkeys("abcde", 0)).streams
    assert {stream: len(history.events) for stream, history in found.items()} == {
        "a": 30,
        "b": 10,
        "c": 0,
        "d": 10,
        "e": 0,
    }
    for stream, amount in (("a", 30), ("c", 50), ("e", 10)):
        [receipt] = change(store, 1, stream=stream)
        assert receipt.version == amount + 1


def test_paging_through_a_long_stream_does_not_walk_it_anew_for_each_page(
    store: PostgresEventStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(store, 20_000)
    walked, walk = [], store.chains._walk

    def counted(*arguments: Any) -> Any:
        walked.append(len(found := walk(*arguments)))
        return found

    monkeypatch.setattr(store.chains, "_walk", counted)
    traveller, versions = Traveller(PRODUCTS, DECIDER, store), list[int]()
    after: int | None = 0
    while after is not None:
        page = traveller.history("p1", after, 500)
        versions += [entry.version for entry in page.data]
        after = page.next
    assert versions == list(range(1, 20_001))
    assert sum(walked) < 20_000 + 40 * 1_500


def test_what_was_remembered_of_a_history_does_not_hide_another_one(store: PostgresEventStore) -> None:
    fill(store, 3_000)
    fill(store, 3_000, "p2")
    traveller = Traveller(PRODUCTS, DECIDER, store)
    assert len(traveller.history("p1", 500, 100).data) == 100
    remembered = store.chains._marks._streams
    remembered["p1"] = {version: position + 3_000 for version, position in remembered["p1"].items()}
    assert [entry.version for entry in traveller.history("p1", 500, 100).data] == list(range(501, 601))
    remembered["p1"] = dict.fromkeys(remembered["p1"], 10**9)
    assert [entry.version for entry in traveller.history("p1", 500, 100).data] == list(range(501, 601))


def test_a_killed_api_that_starts_again_answers_from_its_snapshot(postgres: str, tmp_path: Path) -> None:
    orders = discover("api")["orders"]
    store = PostgresEventStore(postgres, orders)
    changes = [ProductChanged(sku="CD", name=f"CD {n}", price=None, at=DAY) for n in range(2, 2_001)]
    fill_with(store, orders, "product:CD", [ProductAdded(sku="CD", name="CD", price=None, stock=1, at=DAY), *changes])
    nowhere = "clickhouse://nobody@127.0.0.1:1/"
    addresses = Addresses(kafka="127.0.0.1:1", postgres=postgres, clickhouse=nowhere, clickhouse_reader=nowhere)
    api = Pipeline(addresses, "api", tmp_path)
    code = fingerprint(orders, stage_module("producers", orders).DECIDER)

    def answered() -> httpx.Response:
        api.start("api")
        body = {"sku": "CD", "name": "new"}
        return httpx.post(f"{api.url}/api/orders/product:CD/change-product", json=body, timeout=60)

    try:
        assert answered().json()["version"] == 2_001
        until(lambda: store.snapshots(["product:CD"], code), 20)
        api.kill("api")
        _make_unreadable(postgres, version=5)
        assert answered().json()["version"] == 2_002, "nothing before the snapshot is read"
        api.kill("api")
        _forget_snapshots(postgres)
        assert answered().json()["rule"] == "unreadable-stream"
    finally:
        for name in list(api.running):
            api.kill(name)
        store.close()


def _make_unreadable(postgres: str, version: int) -> None:
    connection = psycopg2.connect(postgres)
    with connection, connection.cursor() as cursor:
        cursor.execute("SET session_replication_role = replica")
        cursor.execute("UPDATE events SET data = '{}' WHERE version = %s", (version,))
    connection.close()


def _forget_snapshots(postgres: str) -> None:
    connection = psycopg2.connect(postgres)
    with connection, connection.cursor() as cursor:
        cursor.execute("DELETE FROM snapshots")
    connection.close()


def test_while_a_long_stream_is_replayed_others_are_answered_and_its_own_commands_keep_their_order(
    store: PostgresEventStore,
) -> None:
    fill(store, 3_000)
    fill(store, 2, "p2")
    go_on = threading.Event()

    def evolve(state: Any, event: Any) -> Any:
        if event.product_id == "p1" and not go_on.is_set():
            assert go_on.wait(20), "nobody else was answered"
        return DECIDER.evolve(state, event)

    def request(stream: str, price: int) -> Request:
        return Request(ChangeProduct(product_id=stream, name="CD", price=price), f"{stream}-{price}")

    async def work() -> tuple[list[int], list[str]]:
        handler, done = CommandHandler(PRODUCTS, replace(DECIDER, evolve=evolve, state=None), store), list[str]()

        async def handle(*requests: Request) -> list[Any]:
            answers = await handler.submit(requests)
            done.append(requests[0].id)
            return answers

        first = asyncio.ensure_future(handle(request("p1", 1)))
        both = asyncio.ensure_future(handle(request("p2", 2), request("p1", 2)))
        await handle(request("p3", 3))
        behind = asyncio.ensure_future(handle(request("p2", 4)))  # behind the one of both
        await handle(request("p3", 5))
        last = asyncio.ensure_future(handle(request("p1", 6)))
        await handle(request("p3", 7))
        go_on.set()
        answers = [each for part in await asyncio.gather(first, both, behind, last) for each in part]
        await handler.close()
        return [answer.version for answer in answers], done

    versions, done = asyncio.run(work())
    assert done[:3] == ["p3-3", "p3-5", "p3-7"]
    assert versions == [3_001, 3, 3_002, 4, 3_003], "of p1, p2, p1, p2 and p1"
