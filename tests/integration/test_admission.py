"""Postgres stalls while clients push: single commands are told to come back, bulk requests and partitions wait, and
memory stays flat; afterwards all that was taken is done once."""

import json
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import httpx
import psutil
import psycopg2
import pytest

from producers import PostgresEventStore
from schemas import Domain, encode
from tests.integration.commanded import Client, line
from tests.order_commands import place
from tests.pipeline import Pipeline, until

_CLIENTS = 30
_GROWTH = 150_000_000


@pytest.fixture
def store(postgres: str, domain: Domain) -> Iterator[PostgresEventStore]:
    made = PostgresEventStore(postgres, domain)
    yield made
    made.close()


@contextmanager
def stalled(postgres: str, domain: Domain) -> Iterator[None]:
    """Nothing can be appended to the domain, which must have an event, as long as the context lasts."""
    connection = psycopg2.connect(postgres)
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT FROM heads WHERE domain = %s FOR UPDATE", (domain.key,))
            assert cursor.rowcount >= 1
            yield
        connection.rollback()
    finally:
        connection.close()


class Pusher:
    """A bulk client that sends chunks as long as the API takes them, and reads only at the end."""

    def __init__(self, number: int, port: int) -> None:
        self._number, self.sent = number, 0
        self._socket = socket.socket()
        # Small, so that what the API does not read shows soon.
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 16)
        self._socket.connect(("127.0.0.1", port))
        self._socket.sendall(b"POST /api/orders/bulk HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\n\r\n")
        self._rest = b""

    def __enter__(self) -> "Pusher":
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def push(self) -> bool:
        """Send as much as fits now; whether that was anything."""
        self._socket.setblocking(False)
        if not self._rest:
            names = [f"order-{self._number}-{self.sent + n}" for n in range(100)]
            body = b"".join(line(place(name)) + b"\n" for name in names)
            self._rest = b"%x\r\n%s\r\n" % (len(body), body)
            self.sent += 100
        try:
            self._rest = self._rest[self._socket.send(self._rest) :]
        except BlockingIOError:
            return False
        return True

    def finish(self) -> list[int]:
        """The status of every line."""
        self._socket.settimeout(60)
        self._socket.sendall(self._rest + b"0\r\n\r\n")
        received = b""
        while b"\r\n0\r\n\r\n" not in received[-20:]:
            data = self._socket.recv(1 << 16)
            assert data, received[-300:]
            received += data
        return [json.loads(text)["status"] for text in received.split(b"\n") if text.startswith(b'{"line"')]


@pytest.fixture
def pushers(pipeline: Pipeline) -> Iterator[list[Pusher]]:
    """Bulk clients of a running API."""
    pipeline.start("api")
    with ExitStack() as open_:
        yield [open_.enter_context(Pusher(number, pipeline.port)) for number in range(_CLIENTS)]


def test_while_the_database_stalls_single_commands_get_429_and_bulk_requests_wait(
    pipeline: Pipeline, pushers: list[Pusher], postgres: str, domain: Domain, store: PostgresEventStore
) -> None:
    url = f"{pipeline.url}/api/orders/"
    assert httpx.post(url, content=encode(place("first"))).status_code == 201
    process = psutil.Process(pipeline.running["api"].pid)
    before = process.memory_info().rss
    key = {"Idempotency-Key": "single"}
    with stalled(postgres, domain):

        def all_wait() -> bool:
            return not [pusher for pusher in pushers if pusher.push()]

        def refused() -> httpx.Response | None:
            all_wait()
            try:
                response = httpx.post(url, content=encode(place("single")), headers=key, timeout=1)
            except httpx.TimeoutException:
                return None  # it was taken, and waits with the others
            return response if response.status_code == 429 else None

        busy = until(refused, 60, what="a single command is refused")
        assert busy is not None
        assert (busy.headers["Retry-After"], busy.json()["rule"]) == ("1", "too-many-commands")
        until(lambda: all(all_wait() for _ in range(20)), 60, what="no bulk client can send more")
        assert process.memory_info().rss - before < _GROWTH
    sent = sum(pusher.sent for pusher in pushers)
    assert sent < 20_000 + _CLIENTS * 4_000
    statuses = [status for pusher in pushers for status in pusher.finish()]
    assert len(statuses) == sent
    assert set(statuses) == {200}
    assert httpx.post(url, content=encode(place("single")), headers=key, timeout=30).status_code == 201
    assert store.head().position == sent + 2


def test_while_the_database_stalls_the_partitions_are_paused_and_then_all_is_answered(
    pipeline: Pipeline, kafka: str, postgres: str, domain: Domain, store: PostgresEventStore
) -> None:
    client, count = Client(kafka, domain), 25_000
    pipeline.start("intake")
    client.send_all([("first", place("first"))])
    client.replied(1)
    process = psutil.Process(pipeline.running["intake"].pid)
    before = process.memory_info().rss
    with stalled(postgres, domain):
        client.send_all([(f"id-{n}", place(f"o{n}")) for n in range(count)])
        until(lambda: pipeline.log("intake").count(" paused") >= domain.partitions, 60, what="partitions are paused")
        until(lambda: "lock timeout" in pipeline.log("intake"), 30, what="an append fails")
        assert process.memory_info().rss - before < _GROWTH
    replies = client.replied(count + 1, 120)
    assert len(replies) == count + 1
    assert {reply["status"] for reply in replies} == {200}
    assert store.head().position == count + 1
    assert pipeline.log("intake").count(" resumed") >= domain.partitions
    pipeline.stop("intake")
