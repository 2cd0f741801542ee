"""The bulk route: a result a line, in order, while the request is still being sent."""

import gzip
import json
import socket
import threading
from collections.abc import Callable, Iterable, Iterator
from types import TracebackType
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from backports import zstd

from producers import PostgresEventStore
from schemas import Command, Domain, discover, encode
from tests.integration.command_server import serving
from tests.order_commands import deliver, pay, place, ship
from tests.pipeline import until
from tests.proxy import proxy_of


@pytest.fixture
def orders() -> Domain:
    return discover("bulk")["orders"]


@pytest.fixture
def store(postgres: str, orders: Domain) -> Iterator[PostgresEventStore]:
    made = PostgresEventStore(postgres, orders)
    yield made
    made.close()


@pytest.fixture
def url(orders: Domain, store: PostgresEventStore) -> Iterator[str]:
    with serving(orders, store) as made:
        yield made


def line(command: Command, **fields: Any) -> bytes:
    head = "".join(f"{json.dumps(name)}:{json.dumps(value)}," for name, value in fields.items())
    return b'{%s"command":%s}\n' % (head.encode(), encode(command))


def post(url: str, body: bytes | Iterable[bytes], **headers: str) -> list[dict[str, Any]]:
    response = httpx.post(f"{url}/api/orders/bulk", content=body, headers=headers, timeout=120)
    assert (response.status_code, response.headers["content-type"]) == (200, "application/x-ndjson")
    return [json.loads(result) for result in response.text.splitlines()]


def outcome(result: dict[str, Any]) -> tuple[int, int, str, str]:
    problem = result.get("problem", {})
    return result["line"], result["status"], problem.get("rule", ""), problem.get("field", "")


class Exchange:
    """A bulk request sent by hand, piece by piece."""

    def __init__(self, url: str, *headers: str) -> None:
        parts = urlsplit(url)
        self.socket = socket.create_connection((parts.hostname, parts.port), timeout=30)
        head = ["POST /api/orders/bulk HTTP/1.1", "Host: test", "Transfer-Encoding: chunked", *headers, "", ""]
        self.socket.sendall("\r\n".join(head).encode())
        self.received = b""

    def __enter__(self) -> "Exchange":
        return self

    def __exit__(self, kind: type[BaseException] | None, value: object, trace: TracebackType | None) -> None:
        self.socket.close()

    def send(self, data: bytes) -> None:
        self.socket.sendall(b"%x\r\n%s\r\n" % (len(data), data))

    def read_until(self, text: bytes) -> bytes:
        while text not in self.received:
            data = self.socket.recv(65536)
            assert data, self.received
            self.received += data
        return self.received


def test_a_line_may_expect_versions_of_several_streams(url: str) -> None:
    lines = [
        line(place("a")),
        line(place("b")),
        line(pay("a"), expected_versions={"a": 1, "b": 2}),
        line(pay("a"), expected_versions={"b": -1}),
        line(pay("a"), expected_versions={"b": 1, "c": 0}),
    ]
    assert [outcome(result)[1:] for result in post(url, b"".join(lines))[2:]] == [
        (412, "expected-version", "expected_versions"),
        (422, "invalid-line", "expected_versions[...]"),
        (200, "", ""),
    ]


def test_each_line_gets_its_result_in_order_and_a_bad_line_stops_nothing(url: str, store: PostgresEventStore) -> None:
    body = b"".join(
        [
            line(place("a"), id="place-a"),
            b"\n",
            b"{oops\n",
            line(pay("a"), id="pay-a", expected_version=1),
            line(pay("a", amount="3.00")),
            b'{"command":{"type":"FlyOrder"}}\n',
            b'{"id":"x","command":{"type":"PayOrder","order_id":"a"}}\n',
            b'{"id":"a b","command":{"type":"ShipOrder","order_id":"a"}}\n',
            b'{"colour":1,"command":{"type":"ShipOrder","order_id":"a"}}\n',
            b'{"id":"x"}\n',
            b'["list"]\n',
            b"\xff\n",
            b"   \r\n",
            line(ship("b")),
            line(ship("a"), expected_version=1),
            line(ship("a"), expected_version=2),
            line(place("a"), id="place-a"),
            line(place("b"), id="place-a"),
            line(deliver("a"))[:-1],
        ]
    )
    results = post(url, body)
    assert [outcome(result) for result in results] == [
        (1, 200, "", ""),
        (3, 400, "malformed-json", ""),
        (4, 200, "", ""),
        (5, 409, "order-already-paid", ""),
        (6, 422, "unknown-command", "type"),
        (7, 422, "invalid-field", "amount"),
        (8, 422, "invalid-line", "id"),
        (9, 422, "invalid-line", "colour"),
        (10, 422, "invalid-line", "command"),
        (11, 422, "invalid-line", ""),
        (12, 400, "malformed-json", ""),
        (14, 404, "order-not-placed", "order_id"),
        (15, 412, "expected-version", "expected_version"),
        (16, 200, "", ""),
        (17, 200, "", ""),
        (18, 422, "idempotency-key-reused", "id"),
        (19, 200, "", ""),
    ]
    assert results[0]["receipt"] == {
        "command_id": "place-a",
        "stream": "a",
        "version": 1,
        "token": "orders:1",
        "event_ids": ["place-a:1"],
        "first_position": 1,
        "last_position": 1,
    }
    assert results[-3]["receipt"] == {**results[0]["receipt"], "repeated": True}
    assert [event.type for event in store.read(0, 10)] == ["OrderPlaced", "OrderPaid", "OrderShipped", "OrderDelivered"]


def test_an_empty_request_has_an_empty_answer(url: str) -> None:
    assert post(url, b"") == []
    assert post(url, b"\n\n") == []


def test_results_come_while_the_request_is_still_being_sent(url: str) -> None:
    with Exchange(url) as exchange:
        for n in range(1, 4):
            text = line(place(f"o{n}"))
            exchange.send(text[:20])
            exchange.send(text[20:])
            exchange.read_until(b'"token":"orders:%d"' % n)
        exchange.socket.sendall(b"0\r\n\r\n")
        assert exchange.read_until(b"0\r\n\r\n").count(b'"receipt"') == 3


def test_a_client_that_waits_to_be_asked_for_the_body_is_asked(url: str) -> None:
    with Exchange(url, "Expect: 100-continue") as exchange:
        exchange.read_until(b"100 Continue")
        exchange.send(line(place()))
        exchange.read_until(b'"token":"orders:1"')


def test_a_client_may_send_everything_before_it_reads_anything(url: str, store: PostgresEventStore) -> None:
    count = 40_000
    body = b"".join(line(place(f"order-{n}")) for n in range(count))
    results = post(url, (body[n : n + 1_000_000] for n in range(0, len(body), 1_000_000)))
    assert [result["line"] for result in results] == list(range(1, count + 1))
    assert [result["receipt"]["stream"] for result in results] == [f"order-{n}" for n in range(count)]
    assert store.head().position == count


def test_sending_everything_again_stores_nothing(url: str, store: PostgresEventStore) -> None:
    body = b"".join(line(step(f"o{n}"), id=f"{step.__name__}-{n}") for n in range(300) for step in (place, pay, ship))
    first, again = post(url, body), post(url, body)
    assert store.head().position == 900
    assert {result["receipt"].pop("repeated") for result in again} == {True}
    assert again == first


PACKED: dict[str, Callable[[bytes], bytes]] = {"gzip": gzip.compress, "zstd": zstd.compress}


@pytest.mark.parametrize("coding", PACKED)
def test_packed_lines_are_unpacked(coding: str, url: str, store: PostgresEventStore) -> None:
    parts = [b"".join(line(place(f"{part}-{n}")) for n in range(500)) for part in "ab"]
    body = b"".join(PACKED[coding](part) for part in parts)
    results = post(url, (body[n : n + 777] for n in range(0, len(body), 777)), **{"Content-Encoding": coding})
    assert {result["status"] for result in results} == {200}
    assert store.head().position == 1000


@pytest.mark.parametrize("coding", PACKED)
@pytest.mark.parametrize(
    "spoil", [lambda packed: packed[:-20], lambda packed: packed[:-1] + b"zzzz", lambda _: b"x" * 50]
)
def test_a_broken_packed_body_ends_with_an_error_line(url: str, spoil: Any, coding: str) -> None:
    body = PACKED[coding](line(place()) + b"\n")
    results = post(url, spoil(body), **{"Content-Encoding": coding})
    assert outcome(results[-1])[1:] == (400, f"malformed-{coding}", "")


def test_an_unknown_packing_is_a_problem(url: str) -> None:
    response = httpx.post(f"{url}/api/orders/bulk", content=b"x", headers={"Content-Encoding": "br"})
    assert (response.status_code, response.json()["rule"]) == (422, "unknown-content-encoding")


def test_a_line_that_is_too_long_gets_an_error_and_the_rest_goes_on(url: str) -> None:
    long = b'{"command":"' + b"x" * 3_000_000 + b'"}\n'
    results = post(url, line(place("a")) + long + line(place("b")))
    assert [outcome(result)[:3] for result in results] == [(1, 200, ""), (2, 413, "line-too-long"), (3, 200, "")]


def test_a_client_that_goes_away_in_the_middle_of_a_line_leaves_no_half_command(
    url: str, store: PostgresEventStore
) -> None:
    with Exchange(url) as exchange:
        exchange.send(line(place("whole")) + line(place("half"))[:-1])
        exchange.read_until(b'"receipt"')
    assert outcome(post(url, line(place("next")))[0])[1] == 200
    assert [event.stream for event in store.read(0, 10)] == ["whole", "next"]


def test_while_the_database_is_away_lines_wait_and_then_go_on_in_their_order(postgres: str, orders: Domain) -> None:
    with proxy_of(postgres) as proxy:
        store = PostgresEventStore(proxy.url(postgres), orders)
        with serving(orders, store) as url, Exchange(url) as exchange:
            exchange.send(line(place("first")))
            exchange.read_until(b'"line":1')
            proxy.cut()
            for n in range(200):
                exchange.send(b"".join(line(step(f"o{n}")) for step in (place, pay, ship, deliver)))
            exchange.socket.sendall(b"0\r\n\r\n")
            threading.Timer(1.5, proxy.mend).start()
            assert exchange.read_until(b"0\r\n\r\n").count(b'"status":200') == 801
        until(lambda: store.head().position == 801, 10)
        store.close()
