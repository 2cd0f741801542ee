"""`bench query`: the named queries of orders over ten million events, over HTTP, beside a bare ClickHouse client."""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from functools import partial

from infra.bench.asked.clients import Bare
from infra.bench.asked.filled import fill
from infra.bench.frame import Case, Suite
from infra.bench.http_clients import Singles
from infra.bench.place import Place
from infra.bench.process import serving
from infra.stack.ports import HOST
from schemas import discover
from sinks.query.named import queries_of

SIZE = 10_000_000
_CLIENTS = 2


@contextmanager
def _filled(place: Place) -> Iterator[Place]:
    """The place with its tables filled and its API serving, for all cases."""
    fill(place.clickhouse, place.orders, SIZE)
    with serving(place, "api") as port:
        yield Place(replace(place.settings, http_port=port))


@contextmanager
def _asked(name: str, place: Place) -> Iterator[Case]:
    domain = place.orders
    query = queries_of(domain)[name]
    request = f"GET /api/{domain.name}/queries/{name} HTTP/1.1\r\nHost: {HOST}\r\n\r\n".encode()
    port = place.settings.http_port
    with (
        closing(Singles(port, _CLIENTS, lambda _, count: [request] * count)) as ours,
        closing(Singles(port, 1, lambda _, count: [request] * count)) as alone,
        closing(
            Bare(
                place.settings.clickhouse_reader, domain.projection_database, query.statement, query.bind([]), _CLIENTS
            )
        ) as floor,
    ):
        yield Case(
            ours=ours, floor=floor, peers={"one client": alone}, unit="answers", paced=True, goals={"p95_ms": 100}
        )


SUITE = Suite(
    summary="The named queries of orders over ten million events, over HTTP.",
    needs=("postgres", "clickhouse"),
    cases={name: partial(_asked, name) for name in queries_of(discover()["orders"])},
    shared=_filled,
)
