"""Several processes of the HTTP API on one port."""

import json
import os
import signal
from collections.abc import Iterator
from contextlib import ExitStack, closing
from http.client import HTTPConnection
from typing import Any

import httpx
import psutil
import pytest

from infra.config import Settings
from infra.listening import bound
from schemas import Fatal
from tests.pipeline import Pipeline, free_port, until

NAMES = ("api", "api.2")
PRICE = {"amount": "1.00", "currency": "EUR"}


@pytest.fixture
def shared(pipeline: Pipeline) -> Iterator[Pipeline]:
    """Two processes of the API that share a port."""
    pipeline.settings["HEADRACE_HTTP_PROCESSES"] = "2"
    pipeline.start(*NAMES)
    until(lambda: all(_listens(pipeline, name) for name in NAMES), what="both listen")
    yield pipeline
    pipeline.stop()


def _listens(pipeline: Pipeline, name: str) -> bool:
    found = psutil.Process(pipeline.running[name].pid).net_connections("tcp")
    return any(each.status == psutil.CONN_LISTEN and each.laddr.port == pipeline.port for each in found)


def _send(connection: HTTPConnection, path: str, body: dict[str, Any]) -> tuple[int, Any]:
    connection.request("POST", path, json.dumps(body), {"Content-Type": "application/json"})
    answer = connection.getresponse()
    return answer.status, json.loads(answer.read())


@pytest.fixture
def of_each(shared: Pipeline) -> Iterator[dict[str, HTTPConnection]]:
    """A connection to each of the processes: the kernel chooses, so some are tried."""
    with ExitStack() as opened:
        yield _connected(shared, opened)


def _connected(pipeline: Pipeline, opened: ExitStack) -> dict[str, HTTPConnection]:
    found: dict[str, HTTPConnection] = {}

    def complete() -> bool:
        connection = opened.enter_context(closing(HTTPConnection("127.0.0.1", pipeline.port, timeout=30)))
        connection.request("GET", "/health")
        connection.getresponse().read()
        port = connection.sock.getsockname()[1] if connection.sock else 0
        for name in NAMES:
            theirs = psutil.Process(pipeline.running[name].pid).net_connections("tcp")
            if any(each.raddr and each.raddr.port == port for each in theirs):
                found.setdefault(name, connection)
        return len(found) == len(NAMES)

    until(complete, what="both have a connection")
    return found


def test_a_stream_goes_on_whichever_process_gets_its_next_command(of_each: dict[str, HTTPConnection]) -> None:
    first, second = of_each.values()
    order = {
        "order_id": "o-1",
        "customer_id": "c-1",
        "lines": [{"sku": None, "quantity": 1, "price": PRICE}],
        "total": PRICE,
    }
    assert _send(first, "/api/orders/", order)[0] == 201
    assert _send(second, "/api/orders/o-1/pay", {"amount": PRICE})[1]["version"] == 2
    assert _send(first, "/api/orders/o-1/ship", {})[1]["version"] == 3, "what it knew of the order was old"
    refused, problem = _send(second, "/api/orders/o-1/ship", {})
    assert (refused, problem["rule"]) == (409, "order-already-shipped")
    assert _send(second, "/api/orders/o-1/deliver", {})[1]["version"] == 4


def test_when_one_of_them_is_killed_the_other_goes_on(shared: Pipeline) -> None:
    died = shared.running["api"]
    os.kill(died.pid, signal.SIGKILL)
    died.wait()
    for number in range(20):
        assert httpx.get(f"{shared.url}/health", timeout=30).status_code == 200, number


@pytest.mark.parametrize("shares", [False, True])
def test_a_port_that_another_program_has_is_refused_by_name(shares: bool) -> None:
    settings = Settings(http_port=free_port())
    with bound(settings, shared=False) as taken:
        taken.listen()
        with pytest.raises(Fatal, match=f"cannot listen on 127.0.0.1:{settings.http_port}.*HEADRACE_HTTP_PORT"):
            bound(settings, shared=shares)
