"""The benchmark of the HTTP API: figures of commands that were accepted, and processes that end with it."""

import signal
from collections.abc import Callable

import psutil
import pytest

from infra.bench.bulk_clients import Bulk
from infra.bench.errors import BenchError
from infra.bench.machine import cores
from infra.bench.place import place
from infra.bench.process import free_port, listens, running
from infra.config import Settings
from infra.stack import Addresses
from tests.benchmarks.conftest import Lines
from tests.benchmarks.test_runs import Start
from tests.pipeline import until

NAIVE = "a transaction a command"


@pytest.mark.parametrize("name", ["bulk", "bulk-one", "single"])
def test_each_case_has_its_figures_beside_floor_and_peer(name: str, measured: Callable[..., Lines]) -> None:
    _, line = measured("http", name)
    assert (line["bench"], line["case"], line["unit"]) == ("http", name, "commands/s")
    assert 0 < line["spread"][0] <= line["rate"] <= line["spread"][1]
    assert line["ratios"].keys() == {"floor", NAIVE}
    assert line["client_us"] > 0
    assert ("p99_ms" in line) == (name == "single")


def test_commands_that_are_refused_end_the_benchmark(settings: Settings, servers: Addresses) -> None:
    with place(settings, servers, ("postgres",)) as here, running(here, "api", port=(port := free_port())) as process:
        process.until(lambda: listens(port, process), "the API listens")
        twice = b'{"command":{"type":"PayOrder","order_id":"none","amount":{"amount":"1","currency":"EUR"}}}\n'
        with pytest.raises(BenchError, match="of 50 commands in bulk, 0 were accepted"):
            Bulk(port, "/api/orders/bulk", 1, lambda count, _: [twice * count]).run(0.1)


def test_a_process_that_ends_early_ends_the_benchmark_with_its_log(settings: Settings, servers: Addresses) -> None:
    sentence = r"(?s)it listens: that did not come about.*KeyError: 'nothing'"
    with (
        place(settings, servers, ("postgres",)) as here,
        running(here, "nothing") as process,
        pytest.raises(BenchError, match=sentence),
    ):
        process.until(lambda: False, "it listens")


def test_the_processes_of_a_killed_benchmark_end(bench: Start) -> None:
    killed = psutil.Process(bench(["http", "--seconds", "100"]).pid)
    servers = cores() + 2  # the API, and the two that it is compared with
    children = until(lambda: found if len(found := killed.children()) == servers else [], what="all of them run")
    killed.send_signal(signal.SIGKILL)
    _, alive = psutil.wait_procs(children, timeout=30)
    assert not alive
