"""`bench http`: commands over HTTP, validated and durable at the answer, with the API in a process of its own."""

from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from functools import partial
from itertools import count

from infra.bench.bulk_clients import Bulk
from infra.bench.catalogue import fill
from infra.bench.frame import Case, Runner, Suite
from infra.bench.http_clients import Singles, request
from infra.bench.machine import cores
from infra.bench.orders import Orders, lines
from infra.bench.place import Place
from infra.bench.process import serving
from producers.http.paths import command_paths

_CONNECTIONS = 64
_BULK_CONNECTIONS = 8
_PROCESSES = cores()
_NAIVE = "a transaction a command"
_SERVERS = {"api": "ours", "bare-server": "floor", "api-one-by-one": _NAIVE}


@contextmanager
def _servers(place: Place, processes: int) -> Iterator[dict[str, int]]:
    """The ports of the API in so many processes, the bare server and the API without group commit, by who is measured
    on them."""
    fill(place)
    with ExitStack() as open_:
        yield {
            name: open_.enter_context(serving(place, program, processes if name == "ours" else 1))
            for program, name in _SERVERS.items()
        }


@contextmanager
def _bulk(place: Place, processes: int) -> Iterator[Case]:
    domain = place.orders

    def runner(name: str, port: int) -> Runner:
        numbers = count()

        def prepare(amount: int, requests: int) -> list[bytes]:
            # Orders of this connection alone, so that no step overtakes the one before it.
            orders = Orders(domain, f"{name[0]}-{port}-{next(numbers)}")
            return [lines(orders.commands(amount)) for _ in range(requests)]

        return Bulk(port, f"/api/{domain.name}/bulk", _BULK_CONNECTIONS, prepare)

    with _servers(place, processes) as ports:
        runners = {name: runner(name, port) for name, port in ports.items()}
        yield Case(
            ours=runners.pop("ours"),
            floor=runners.pop("floor"),
            peers=runners,
            unit="commands",
            goals={"rate": 20_000} if processes > 1 else {},
        )


@contextmanager
def _single(place: Place) -> Iterator[Case]:
    domain = place.orders
    paths = {kind: path for path, kind in command_paths(domain).items()}

    def runner(name: str, port: int) -> Singles:
        # A connection has orders of its own, so that no step overtakes the one before it.
        orders = [Orders(domain, f"{name[0]}-{port}-{number}") for number in range(_CONNECTIONS)]

        def prepare(connection: int, count: int) -> list[bytes]:
            return [request(domain, paths, id_, command) for id_, command in orders[connection].commands(count)]

        return Singles(port, _CONNECTIONS, prepare)

    with _servers(place, 1) as ports, ExitStack() as open_:
        runners: dict[str, Runner] = {
            name: open_.enter_context(closing(runner(name, port))) for name, port in ports.items()
        }
        yield Case(
            ours=runners.pop("ours"),
            floor=runners.pop("floor"),
            peers=runners,
            unit="commands",
            goals={"rate": 4_000, "p99_ms": 50, f"ratios.{_NAIVE}": 2},
        )


SUITE = Suite(
    summary="Commands over HTTP, validated and durable at the answer.",
    needs=("postgres",),
    cases={"bulk": partial(_bulk, processes=_PROCESSES), "bulk-one": partial(_bulk, processes=1), "single": _single},
)
