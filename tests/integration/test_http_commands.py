"""Commands over HTTP, one at a time: what is stored, what is answered, and every way to get it wrong."""

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

from producers import PostgresEventStore
from schemas import Domain, discover
from tests.integration.command_server import serving
from tests.pipeline import until
from tests.proxy import proxy_of

PRICE = {"amount": "10.00", "currency": "EUR"}
AT = "2026-01-01T12:00:00Z"


@pytest.fixture
def orders() -> Domain:
    return discover("http")["orders"]


@pytest.fixture
def store(postgres: str, orders: Domain) -> Iterator[PostgresEventStore]:
    made = PostgresEventStore(postgres, orders)
    yield made
    made.close()


@pytest.fixture
def client(orders: Domain, store: PostgresEventStore) -> Iterator[httpx.Client]:
    with serving(orders, store) as url, httpx.Client(base_url=url, timeout=30) as made:
        yield made


def order(name: str = "o1", **changes: Any) -> dict[str, Any]:
    lines = [{"sku": None, "quantity": 2, "price": PRICE}]
    return {"order_id": name, "customer_id": "c1", "lines": lines, "total": PRICE, "at": AT, **changes}


def test_an_order_goes_its_way_over_http(client: httpx.Client, store: PostgresEventStore) -> None:
    placed = client.post("/api/orders/", json=order())
    assert placed.status_code == 201
    assert placed.headers["location"] == "/api/orders/o1"
    paid = client.post("/api/orders/o1/pay", json={"amount": PRICE})
    shipped = client.post("/api/orders/o1/ship", json={"carrier": "parcel"})
    delivered = client.post("/api/orders/o1/deliver")
    assert [r.status_code for r in (paid, shipped, delivered)] == [200] * 3
    assert [r.headers["etag"] for r in (placed, paid, shipped, delivered)] == ['"1"', '"2"', '"3"', '"4"']
    answer = delivered.json()
    assert answer.pop("command_id") + ":1" == answer.pop("event_ids")[0]
    assert answer == {"stream": "o1", "version": 4, "token": "orders:4", "first_position": 4, "last_position": 4}
    assert [e.type for e in store.read(0, 10)] == ["OrderPlaced", "OrderPaid", "OrderShipped", "OrderDelivered"]
    assert {e.partition_key for e in store.read(0, 10)} == {"c1"}


@pytest.mark.parametrize("path", ["/api/orders/", "/api/orders"])
def test_the_type_may_stand_in_the_body(client: httpx.Client, path: str) -> None:
    assert client.post(path, json={"type": "PlaceOrder", **order()}).status_code == 201
    body = {"type": "CancelOrder", "order_id": "o1", "reason": "changed my mind"}
    assert client.post("/api/orders/o1/cancel", json=body).status_code == 200


BAD_ORDERS: list[tuple[Any, int, str, str]] = [
    (b"", 400, "malformed-json", ""),
    (b"{", 400, "malformed-json", ""),
    (b'{"order_id": "o1"} x', 400, "malformed-json", ""),
    (b"\xff\xfe", 400, "malformed-json", ""),
    (b"[" * 100_000, 422, "invalid-field", ""),
    (b'{"a":' * 100_000, 400, "malformed-json", ""),
    (b'"text"', 422, "invalid-field", ""),
    (b"[]", 422, "invalid-field", ""),
    (order(type="BuyOrder"), 422, "unknown-command", "type"),
    (order(type="PayOrder"), 422, "unknown-command", "type"),
    ({k: v for k, v in order().items() if k != "customer_id"}, 422, "invalid-field", "customer_id"),
    (order(colour="red"), 422, "invalid-field", "colour"),
    (order(customer_id=7), 422, "invalid-field", "customer_id"),
    (order(customer_id=""), 422, "invalid-field", "customer_id"),
    (order(customer_id="~x"), 422, "invalid-field", "customer_id"),
    (order(name="a b"), 422, "invalid-field", "order_id"),
    (order(name="a\nb"), 422, "invalid-field", "order_id"),
    (order(name="x" * 129), 422, "invalid-field", "order_id"),
    (order(lines=[]), 422, "invalid-field", "lines"),
    (order(lines=[{"sku": None, "quantity": 0, "price": PRICE}]), 422, "invalid-field", "lines[0].quantity"),
    (order(lines=[{"sku": None, "quantity": 1.5, "price": PRICE}]), 422, "invalid-field", "lines[0].quantity"),
    (order(total={"amount": "-10.00", "currency": "EUR"}), 422, "invalid-field", "total.amount"),
    (order(total={"amount": "10.001", "currency": "EUR"}), 422, "invalid-field", "total.amount"),
    (order(total={"amount": "10.5", "currency": "JPY"}), 422, "invalid-field", "total.amount"),
    (order(total={"amount": "1e13", "currency": "EUR"}), 422, "invalid-field", "total.amount"),
    (order(total={"amount": "NaN", "currency": "EUR"}), 422, "invalid-field", "total.amount"),
    (order(total={"amount": "ten", "currency": "EUR"}), 422, "invalid-field", "total.amount"),
    (order(total={"amount": "10.00", "currency": "euro"}), 422, "invalid-field", "total.currency"),
    (order(at="2026-01-01T12:00:00"), 422, "invalid-field", "at"),
    (order(at="yesterday"), 422, "invalid-field", "at"),
    (order(total={"amount": "9.99", "currency": "EUR"}), 409, "total-mismatch", "total"),
    (order(total={"amount": "10.00", "currency": "USD"}), 409, "one-currency", "lines[0].price.currency"),
]


@pytest.mark.parametrize(("body", "status", "rule", "field"), BAD_ORDERS)
def test_a_bad_order_is_answered_with_its_rule_and_field_and_nothing_is_stored(
    client: httpx.Client, store: PostgresEventStore, body: Any, status: int, rule: str, field: str
) -> None:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    response = client.post("/api/orders/", content=content)
    assert (response.status_code, response.headers["content-type"]) == (status, "application/problem+json")
    problem = response.json()
    assert (problem["status"], problem["rule"], problem.get("field", "")) == (status, rule, field)
    assert problem["title"]
    assert len(problem["detail"]) > 5
    assert problem["instance"] == "/api/orders"
    assert store.head().position == 0


BAD_STEPS: list[tuple[str, Any, dict[str, str], int, str]] = [
    ("/api/orders/unknown/pay", {"amount": PRICE}, {}, 404, "order-not-placed"),
    ("/api/orders/paid/pay", {"amount": PRICE}, {}, 409, "order-already-paid"),
    ("/api/orders/placed/pay", {"amount": {"amount": "9.99", "currency": "EUR"}}, {}, 409, "amount-mismatch"),
    ("/api/orders/placed/ship", {}, {}, 409, "order-not-paid"),
    ("/api/orders/cancelled/pay", {"amount": PRICE}, {}, 409, "order-cancelled"),
    ("/api/orders/placed/pay", {"amount": PRICE, "order_id": "paid"}, {}, 422, "path-mismatch"),
    ("/api/orders/placed/pay", {"type": "ShipOrder"}, {}, 422, "unknown-command"),
    ("/api/orders/placed/pay", {}, {}, 422, "invalid-field"),
    ("/api/orders/placed/pay", {"amount": PRICE}, {"If-Match": '"2"'}, 412, "expected-version"),
    ("/api/orders/placed/pay", {"amount": PRICE}, {"If-Match": "two"}, 422, "invalid-header"),
    ("/api/orders/placed/pay", {"amount": PRICE}, {"Idempotency-Key": "paid-first"}, 422, "idempotency-key-reused"),
    ("/api/orders/placed/pay", {"amount": PRICE}, {"Idempotency-Key": "a b"}, 422, "invalid-header"),
    ("/api/orders/placed/pay", {"amount": PRICE}, {"Idempotency-Key": ""}, 422, "invalid-header"),
    ("/api/orders/placed/pay", {"amount": PRICE}, {"X-Correlation-ID": "x" * 129}, 422, "invalid-header"),
]


@pytest.mark.parametrize(("path", "body", "headers", "status", "rule"), BAD_STEPS)
def test_a_bad_step_is_answered_with_its_rule_and_nothing_is_stored(
    client: httpx.Client,
    store: PostgresEventStore,
    path: str,
    body: Any,
    headers: dict[str, str],
    status: int,
    rule: str,
) -> None:
    for name in ("placed", "paid", "cancelled"):
        assert client.post("/api/orders/", json=order(name)).status_code == 201
    key = {"Idempotency-Key": "paid-first"}
    assert client.post("/api/orders/paid/pay", json={"amount": PRICE}, headers=key).status_code == 200
    assert client.post("/api/orders/cancelled/cancel", json={"reason": "no"}).status_code == 200
    response = client.post(path, json=body, headers=headers)
    assert (response.status_code, response.json()["rule"]) == (status, rule)
    assert response.headers["content-type"] == "application/problem+json"
    assert store.head().position == 5


def test_amounts_may_be_numbers_and_stay_exact(client: httpx.Client, store: PostgresEventStore) -> None:
    body = json.dumps(order("n1")).replace('"10.00"', "10.10")
    assert client.post("/api/orders/", content=body).status_code == 201
    paid = client.post("/api/orders/n1/pay", content='{"amount": {"amount": 10.10, "currency": "EUR"}}')
    assert paid.status_code == 200
    assert b'"amount":"10.10"' in store.read(1, 1)[0].data


def test_a_retry_with_the_same_key_gets_the_same_answer_and_stores_nothing(
    client: httpx.Client, store: PostgresEventStore
) -> None:
    headers = {"Idempotency-Key": '"my-first-command"'}
    first = client.post("/api/orders/", json=order(), headers=headers)
    spaced = client.post("/api/orders/", content=json.dumps(order(), indent=4), headers=headers)
    assert first.status_code == spaced.status_code == 201
    assert spaced.headers["idempotency-replayed"] == "true"
    assert spaced.json() == {**first.json(), "repeated": True}
    assert first.json()["event_ids"] == ["my-first-command:1"]
    assert store.head().position == 1


def test_if_match_with_the_streams_version_is_accepted(client: httpx.Client) -> None:
    etag = client.post("/api/orders/", json=order(), headers={"If-Match": "0"}).headers["etag"]
    paid = client.post("/api/orders/o1/pay", json={"amount": PRICE}, headers={"If-Match": etag})
    assert (paid.status_code, paid.headers["etag"]) == (200, '"2"')


def test_correlation_and_trace_come_into_the_store(client: httpx.Client, store: PostgresEventStore) -> None:
    trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
    client.post("/api/orders/", json=order(), headers={"X-Correlation-ID": "case-7", "traceparent": trace})
    client.post("/api/orders/", json=order("o2"), headers={"traceparent": "nonsense"})
    first, second = store.read(0, 10)
    assert (first.correlation, first.traceparent) == ("case-7", trace)
    assert (second.correlation, second.traceparent) == (None, None)


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/api/orders/o1/pay", 405),
        ("DELETE", "/api/orders/", 405),
        ("POST", "/api/orders/o1/fly", 404),
        ("POST", "/api/payments/", 404),
        ("GET", "/", 404),
    ],
)
def test_an_unexpected_path_or_method_is_a_problem_too(
    client: httpx.Client, method: str, path: str, status: int
) -> None:
    response = client.request(method, path)
    assert (response.status_code, response.headers["content-type"]) == (status, "application/problem+json")
    problem = response.json()
    assert (problem["status"], problem["instance"].rstrip("/")) == (status, path.rstrip("/"))


def test_a_body_that_is_too_large_is_a_problem(client: httpx.Client, store: PostgresEventStore) -> None:
    large = json.dumps(order(colour="x" * 1_000_001)).encode()

    def in_chunks() -> Iterator[bytes]:
        yield from (large[n : n + 65536] for n in range(0, len(large), 65536))

    for content in (large, in_chunks()):
        response = client.post("/api/orders/", content=content)
        assert (response.status_code, response.headers["content-type"]) == (413, "application/problem+json")
    assert store.head().position == 0


def test_many_clients_at_once_get_each_their_answer(client: httpx.Client) -> None:
    def send(n: int) -> dict[str, Any]:
        answer: dict[str, Any] = client.post("/api/orders/", json=order(f"o{n}")).json()
        return answer

    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(send, range(200)))
    assert [answer["stream"] for answer in answers] == [f"o{n}" for n in range(200)]
    assert sorted(answer["last_position"] for answer in answers) == list(range(1, 201))


def test_two_clients_that_pay_one_order_at_once_pay_it_once(
    postgres: str, orders: Domain, client: httpx.Client, store: PostgresEventStore
) -> None:
    client.post("/api/orders/", json=order())
    second = PostgresEventStore(postgres, orders)
    with serving(orders, second) as url, ThreadPoolExecutor(8) as pool:
        urls = [str(client.base_url), url] * 4
        answers = list(pool.map(lambda u: httpx.post(f"{u}/api/orders/o1/pay", json={"amount": PRICE}), urls))
    second.close()
    assert sorted(answer.status_code for answer in answers) == [200] + [409] * 7
    assert store.head().position == 2


def test_without_its_database_the_server_asks_for_a_retry_and_resumes_by_itself(postgres: str, orders: Domain) -> None:
    with proxy_of(postgres) as proxy:
        store = PostgresEventStore(proxy.url(postgres), orders)
        with serving(orders, store) as url, httpx.Client(base_url=url, timeout=30) as client:
            assert client.post("/api/orders/", json=order()).status_code == 201
            proxy.cut()
            for n in range(3):
                down = client.post("/api/orders/", json=order(f"down-{n}"))
                assert (down.status_code, down.headers["content-type"]) == (503, "application/problem+json")
                assert int(down.headers["retry-after"]) >= 1
                assert down.json()["rule"] == "postgres-unavailable"
            proxy.mend()
            until(lambda: client.post("/api/orders/", json=order("o2")).status_code in (201, 409), 10)
            assert client.post("/api/orders/o1/pay", json={"amount": PRICE}).status_code == 200
        assert [event.stream for event in store.read(0, 10)] == ["o1", "o2", "o1"]
        store.close()
