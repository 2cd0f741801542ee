"""A server of the stack goes down: clients get 503 and a time to retry, and work resumes by itself."""

from collections.abc import Iterator

import httpx
import pytest

from infra import stack
from infra.config import Settings
from infra.pipeline import addresses, bring_up, domains
from tests.e2e.test_way import PLACE
from tests.integration.commanded import Client as Commands
from tests.order_commands import place
from tests.pipeline import free_port, until


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    """An installation of its own, servers and pipeline, whose parts may be stopped."""
    own = Settings(home=tmp_path_factory.mktemp("outages"), http_port=free_port())
    bring_up(own, lambda _: None)
    yield own
    stack.down(own.home)


class Client:
    """Places orders and reads them back."""

    def __init__(self, settings: Settings) -> None:
        self.url = f"http://127.0.0.1:{settings.http_port}/api/orders"

    def place(self, order: str) -> httpx.Response:
        return httpx.post(
            f"{self.url}/", json={**PLACE, "order_id": order}, headers={"Idempotency-Key": order}, timeout=30
        )

    def read(self, order: str, token: str) -> httpx.Response:
        wanted = {"consistency": "token", "token": token, "timeout": "1"}
        return httpx.get(f"{self.url}/{order}", params=wanted, timeout=30)

    def readable(self, order: str, token: str) -> bool:
        return self.read(order, token).status_code == 200


@pytest.fixture
def client(settings: Settings) -> Client:
    made = Client(settings)
    until(lambda: _status(made, "warm-up") == 201, 30, what="the API takes commands")
    return made


def _status(client: Client, order: str) -> int:
    try:
        return client.place(order).status_code
    except httpx.TransportError:
        return 0


def _assert_unavailable(answer: httpx.Response) -> None:
    assert answer.status_code == 503, answer.text
    assert float(answer.headers["Retry-After"]) > 0
    assert answer.headers["content-type"] == "application/problem+json"
    assert "Traceback" not in answer.text


def test_without_postgres_commands_get_503_and_are_taken_again_when_it_is_back(
    settings: Settings, client: Client
) -> None:
    stack.stop(settings.home, "postgres")
    _assert_unavailable(client.place("p-1"))
    stack.start(settings.home, "postgres")
    until(lambda: _status(client, "p-1") == 201, 30, what="the command is taken")
    token = client.place("p-1").json()["token"]
    until(lambda: client.readable("p-1", token), 60, what="the order is in SQL")


def test_without_kafka_commands_are_taken_and_reach_sql_when_it_is_back(settings: Settings, client: Client) -> None:
    stack.stop(settings.home, "kafka")
    answer = client.place("k-1")
    assert answer.status_code == 201, answer.text
    assert client.read("k-1", answer.json()["token"]).status_code in (503, 504)
    stack.start(settings.home, "kafka")
    until(lambda: client.readable("k-1", answer.json()["token"]), 120, what="the order is in SQL")
    commands = Commands(addresses(settings).kafka, domains(settings)["orders"])
    commands.send_all([("k-2", place("k-2"))])
    [reply] = commands.replied(1, 120)
    assert reply["receipt"]["stream"] == "k-2"


def test_without_clickhouse_queries_get_503_and_answer_again_when_it_is_back(
    settings: Settings, client: Client
) -> None:
    token = client.place("c-1").json()["token"]
    until(lambda: client.readable("c-1", token), 60, what="the order is in SQL")
    stack.stop(settings.home, "clickhouse")
    _assert_unavailable(client.read("c-1", token))
    token = client.place("c-2").json()["token"]
    stack.start(settings.home, "clickhouse")
    until(lambda: client.readable("c-2", token), 60, what="the order is in SQL")
