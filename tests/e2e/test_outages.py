"""A server of the stack goes down: clients get 503 and a time to retry, and work resumes by itself."""

import contextlib
import itertools
import threading
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import httpx
import psutil
import pytest

from infra import stack
from infra.config import Settings
from infra.pipeline import addresses, bring_up, domains
from producers import PostgresEventStore
from schemas import discover
from tests.e2e.test_way import PLACE
from tests.integration.commanded import Client as Commands
from tests.integration.relayed import complete
from tests.order_commands import place
from tests.pipeline import free_port, until


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    """An installation of its own, servers and pipeline, whose parts may be stopped."""
    own = Settings(home=tmp_path_factory.mktemp("outages"), http_port=free_port(), domains="orders")
    bring_up(own, lambda _: None)
    yield own
    stack.down(own.home)


class Client:
    """Places orders and reads them back."""

    def __init__(self, settings: Settings) -> None:
        self.http = httpx.Client(base_url=f"http://127.0.0.1:{settings.http_port}/api/orders", timeout=30)

    def place(self, order: str) -> httpx.Response:
        return self.http.post("/", json={**PLACE, "order_id": order}, headers={"Idempotency-Key": order})

    def read(self, order: str, token: str) -> httpx.Response:
        wanted = {"consistency": "token", "token": token, "timeout": "1"}
        return self.http.get(f"/{order}", params=wanted)

    def readable(self, order: str, token: str) -> bool:
        return self.read(order, token).status_code == 200


@pytest.fixture
def client(settings: Settings) -> Iterator[Client]:
    made = Client(settings)
    with made.http:
        until(lambda: _status(made, "warm-up") == 201, 30, what="the API takes commands")
        yield made


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


def _pid(settings: Settings, name: str) -> int | None:
    return next(part.pid for part in stack.status(settings.home) if part.name == name)


def _kill(settings: Settings, name: str) -> None:
    """Kill a part with all its processes, as the kernel does when memory is short, and wait until it is back."""
    before = until(lambda: _pid(settings, name), 60, what=f"{name} runs")
    for process in [*psutil.Process(before).children(recursive=True), psutil.Process(before)]:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()
    until(lambda: _pid(settings, name) not in (None, before), 60, what=f"{name} runs again")


def test_postgres_kafka_and_the_api_killed_under_load_lose_and_double_nothing(
    settings: Settings, client: Client
) -> None:
    first_answers: dict[str, dict[str, object]] = {}
    lost = Counter[str]()
    stop = threading.Event()

    def shop(name: str) -> None:
        for number in itertools.count():
            order = f"storm-{name}-{number}"
            if stop.is_set():
                return
            first_answers[order] = until(partial(attempt, order), 90, what=f"{order} is taken")

    def attempt(order: str) -> dict[str, object]:
        try:
            answer = client.place(order)
        except httpx.TransportError:
            lost["connection"] += 1
            return {}
        if answer.status_code in (503, 429):
            lost["unavailable"] += 1
            return {}
        assert answer.status_code == 201, answer.text
        receipt: dict[str, object] = answer.json()
        return receipt

    def more(taken: int) -> bool:
        return len(first_answers) > taken + 200

    with ThreadPoolExecutor(6) as clients:
        shops = [clients.submit(shop, f"{number}") for number in range(6)]
        try:
            for victim in ("postgres", "kafka", "api", "postgres"):
                taken = len(first_answers)
                until(partial(more, taken), 60, what="commands are taken")
                _kill(settings, victim)
            until(partial(more, len(first_answers)), 60, what="commands are taken again")
        finally:
            stop.set()
        for done in shops:
            done.result(120)
    assert lost["connection"] + lost["unavailable"] > 0, "the kills were felt"
    at, domain = addresses(settings), discover()["orders"]
    store = PostgresEventStore(at.postgres, domain)
    events, position = [], 0
    while page := store.read(position, 5000):
        events += page
        position = page[-1].position
    store.close()
    assert [event.position for event in events] == list(range(1, len(events) + 1))
    stored = {event.stream: event for event in events if event.stream.startswith("storm-")}
    assert len(stored) == sum(event.stream.startswith("storm-") for event in events), "no order is there twice"
    assert stored.keys() == first_answers.keys()
    for order, receipt in first_answers.items():
        assert (receipt["first_position"], receipt["event_ids"]) == (stored[order].position, [stored[order].id])
    published = complete(at.kafka, domain, len(events))
    hashes = {envelope.position: envelope.hash for _, _, envelope in published.events}
    assert hashes == {event.position: event.hash.hex() for event in events}
