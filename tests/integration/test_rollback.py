"""Rolling back over HTTP: a new event, only where the domain allows it, handled as every command is."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest
from litestar import Litestar

from infra.api import application
from infra.config import Settings
from producers import CommandHandler, PostgresEventStore
from producers.http import EXCEPTION_HANDLERS, History, routes
from schemas import discover
from schemas.orders import OrderPlaced, ProductAdded, ProductChanged
from tests.architecture.source import ROOT
from tests.integration.command_server import served
from tests.integration.long_streams import fill_with
from tests.integration.test_append import verify
from tests.order_commands import DAY, money
from tests.products import DECIDER, products

PRODUCTS = products("rollback")


@pytest.fixture
def store(postgres: str) -> Iterator[PostgresEventStore]:
    made = PostgresEventStore(postgres, PRODUCTS)
    yield made
    made.close()


@pytest.fixture
def client(postgres: str, store: PostgresEventStore) -> Iterator[httpx.Client]:
    handler = CommandHandler(PRODUCTS, DECIDER, store)
    history = History(postgres, [handler])
    app = Litestar(
        [*routes({"products": handler}), *history.routes],
        exception_handlers=EXCEPTION_HANDLERS,
        openapi_config=None,
        on_shutdown=[history.close],
    )
    with served(app) as url, httpx.Client(base_url=f"{url}/api/products", timeout=30) as made:
        yield made


@pytest.fixture
def changed(client: httpx.Client) -> httpx.Client:
    """The product p1 at version 3."""
    client.post("/", json={"product_id": "p1", "name": "CD", "price": 10}).raise_for_status()
    client.post("/p1/change", json={"name": "CD", "price": 12}).raise_for_status()
    client.post("/p1/change", json={"name": "Album", "price": 15}).raise_for_status()
    return client


def back(client: httpx.Client, version: Any, product: str = "p1", **headers: str) -> httpx.Response:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return client.post(f"/{product}/rollback", json={"version": version}, headers=named)


def state(client: httpx.Client, **parameters: Any) -> Any:
    return client.get("/p1/state", params=parameters).json()["state"]


def test_a_rollback_adds_an_event_that_brings_the_state_back(changed: httpx.Client, store: PostgresEventStore) -> None:
    answer = back(changed, 1)
    assert (answer.status_code, answer.headers["etag"], answer.json()["version"]) == (200, '"4"', 4)
    now, then = state(changed), state(changed, version=1)
    assert (now["name"], now["price"], now["changes"]) == ("CD", 10, 4)
    assert (then["name"], then["price"], then["changes"]) == ("CD", 10, 1)
    events = store.read(0, 10)
    assert [e.type for e in events] == ["ProductAdded", *["ProductChanged"] * 3]
    verify(PRODUCTS, events, store.head().digest)


def test_a_rollback_may_be_rolled_back(changed: httpx.Client) -> None:
    assert back(changed, 1).status_code == 200
    assert back(changed, 3).status_code == 200
    assert state(changed)["name"] == "Album"


def test_a_rollback_to_what_is_already_so_stores_nothing(changed: httpx.Client, store: PostgresEventStore) -> None:
    answer = back(changed, 3)
    assert (answer.status_code, answer.json()["version"], answer.json()["event_ids"]) == (200, 3, [])
    assert store.head().position == 3


def test_the_same_key_rolls_back_once_and_not_for_another_version(changed: httpx.Client) -> None:
    first, again = (back(changed, 1, Idempotency_Key="k1") for _ in range(2))
    assert again.headers["idempotency-replayed"] == "true"
    assert {**again.json(), "repeated": None} == {**first.json(), "repeated": None}
    misused = back(changed, 2, Idempotency_Key="k1")
    assert (misused.status_code, misused.json()["rule"]) == (422, "idempotency-key-reused")
    changed.post("/p1/withdraw").raise_for_status()
    assert back(changed, 1, Idempotency_Key="k1").json()["version"] == 4


def test_a_rollback_keeps_to_the_version_that_the_client_expects(changed: httpx.Client) -> None:
    assert back(changed, 1, If_Match='"2"').status_code == 412
    assert back(changed, 1, If_Match='"3"').status_code == 200


def test_a_rollback_is_refused_where_the_domain_forbids_it(changed: httpx.Client, store: PostgresEventStore) -> None:
    changed.post("/p1/withdraw").raise_for_status()
    answer = back(changed, 1)
    assert (answer.status_code, answer.json()["rule"]) == (409, "rollback-not-allowed")
    assert "withdrawn for good" in answer.json()["detail"]
    assert store.head().position == 4


def test_the_facts_of_a_rollback_are_guarded(changed: httpx.Client) -> None:
    changed.post("/", json={"product_id": "p2", "name": "CD", "price": 1}).raise_for_status()
    answer = back(changed, 1)
    assert (answer.status_code, answer.json()["rule"]) == (409, "name-taken")
    changed.post("/p2/change", json={"name": "EP", "price": 1}).raise_for_status()
    assert back(changed, 1).status_code == 200
    taken = changed.post("/p2/change", json={"name": "Album", "price": 1})
    assert taken.status_code == 200, "the rollback gave the name back"


def test_a_rollback_to_nowhere_is_said(changed: httpx.Client) -> None:
    for product, body, status, rule, words in (
        ("p9", b'{"version": 1}', 404, "unknown-stream", "p9"),
        ("p1", b'{"version": 4}', 404, "unknown-version", "current version is 3"),
        ("p1", b'{"version": 0}', 422, "invalid-field", "version"),
        ("p1", b'{"version": "1"}', 422, "invalid-field", "version"),
        ("p1", b"{}", 422, "invalid-field", "version"),
        ("p1", b'{"version": 1, "why": "x"}', 422, "invalid-field", "why"),
        ("p1", b"[]", 422, "invalid-field", "version"),
        ("p1", b"{", 400, "malformed-json", "JSON"),
        ("p1", b"", 400, "malformed-json", "JSON"),
    ):
        answer = changed.post(f"/{product}/rollback", content=body)
        assert (answer.status_code, answer.json()["rule"]) == (status, rule), answer.text
        assert words in answer.json()["detail"]


def test_racing_rollbacks_and_changes_leave_one_sound_history(changed: httpx.Client, store: PostgresEventStore) -> None:
    def work(number: int) -> int:
        if number % 2:
            return back(changed, 1 + number % 3).status_code
        return changed.post("/p1/change", json={"name": "CD", "price": number}).status_code

    with ThreadPoolExecutor(6) as threads:
        assert set(threads.map(work, range(60))) == {200}
    events = store.read(0, 1000)
    verify(PRODUCTS, events, store.head().digest)
    last = changed.get("/p1/state").json()
    assert (last["version"], last["state"]["changes"]) == (len(events), len(events))


def test_orders_are_not_rolled_back_but_their_products_are(postgres: str) -> None:
    nowhere = "clickhouse://nobody@127.0.0.1:1/"
    settings = Settings(
        namespace="orders",
        postgres=postgres,
        kafka="127.0.0.1:1",
        clickhouse=nowhere,
        clickhouse_reader=nowhere,
        domains="orders",
    )
    orders = discover("orders")["orders"]
    store = PostgresEventStore(postgres, orders)
    placed = OrderPlaced(order_id="o1", customer_id="c1", lines=(), items=0, total=money(), at=DAY)
    fill_with(store, orders, "o1", [placed])
    product = [ProductAdded(sku="CD", name="CD", price=money(), stock=1, at=DAY)]
    changed = [ProductChanged(sku="CD", name=f"CD {n}", price=money(f"{n}.00"), at=DAY) for n in range(2, 4)]
    fill_with(store, orders, "product:CD", [*product, *changed])
    store.close()
    with served(application(settings)) as url, httpx.Client(base_url=f"{url}/api/orders", timeout=30) as client:
        answer = back(client, 1, "o1")
        assert (answer.status_code, answer.json()["rule"]) == (409, "rollback-not-allowed")
        assert back(client, 2, "product:CD").json()["version"] == 4
        found = client.get("/product:CD/difference", params={"from": 2, "to": 4}).json()
        assert (found["changes"], found["to"]["state"]["name"]) == ([], "CD 2")


def told(postgres: str, *arguments: str) -> "subprocess.CompletedProcess[str]":
    """What the command line answers that knows PostgreSQL and no other server."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("HEADRACE_")}
    return subprocess.run(
        [sys.executable, "-m", "infra.cli", "rollback", *arguments],
        cwd=ROOT,
        env={
            **environment,
            "HEADRACE_HOME": "/nowhere",
            "HEADRACE_NAMESPACE": "rollback_cli",
            "HEADRACE_POSTGRES": postgres,
        },
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_the_command_line_rolls_back_once_by_id_and_says_what_is_refused(postgres: str) -> None:
    orders = discover("rollback_cli")["orders"]
    store = PostgresEventStore(postgres, orders)
    placed = OrderPlaced(order_id="o1", customer_id="c1", lines=(), items=0, total=money(), at=DAY)
    fill_with(store, orders, "o1", [placed])
    changed = [ProductChanged(sku="CD", name=f"CD {n}", price=money(f"{n}.00"), at=DAY) for n in range(2, 4)]
    fill_with(
        store, orders, "product:CD", [ProductAdded(sku="CD", name="CD", price=money(), stock=1, at=DAY), *changed]
    )
    first, again = (told(postgres, "orders", "product:CD", "2", "--id", "r1", "--json") for _ in range(2))
    assert first.returncode == 0, first.stderr
    receipt = json.loads(first.stdout)
    assert (receipt["version"], json.loads(again.stdout)) == (4, {**receipt, "repeated": True})
    for arguments, sentence in (
        (("o1", "1"), "roll"),
        (("product:CD", "9"), "has no version 9"),
        (("product:CD", "1", "--expect", "3"), "version 4"),
        (("product:CD", "1", "--id", "ä"), "--id must be 1 to 128"),
    ):
        refused = told(postgres, "orders", *arguments)
        assert (refused.returncode, sentence in refused.stderr) == (1, True), refused.stderr
    assert store.head().position == 5
    store.close()
