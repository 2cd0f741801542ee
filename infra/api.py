"""The HTTP API: the write side's and the read side's routes in one application on one port."""

import asyncio
import sys
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import asynccontextmanager, suppress
from typing import Any

import uvicorn
from litestar import Litestar, get
from litestar.openapi import OpenAPIConfig

from infra.asof import AsOf
from infra.builds import Editions
from infra.config import Settings
from infra.keys import seal_of, subject_keys
from infra.listening import bound
from infra.pipeline import addresses, domains
from infra.process import settle_memory
from producers import CommandHandler, PostgresEventStore
from producers.erasure import SubjectKeys
from producers.http import EXCEPTION_HANDLERS, History
from producers.http import components as command_components
from producers.http import routes as command_routes
from schemas import Domain, HeadraceError, stage_module
from sinks.query import components as query_components
from sinks.query import routes as query_routes


def application(
    settings: Settings,
    handler: type[CommandHandler] = CommandHandler,
    ending: Callable[[], bool] = lambda: False,
) -> Litestar:
    """The application over the servers of the settings, with command handlers of the given kind. Connects to nothing
    before the first request. `ending` says whether the server is about to stop.
    """
    at, served = addresses(settings), domains(settings)
    stores = {name: PostgresEventStore(at.postgres, domain) for name, domain in served.items()}

    def head(domain: Domain) -> int | None:
        try:
            return stores[domain.name].head().position
        except HeadraceError:
            return None

    deciders = {domain: stage_module("producers", domain).DECIDER for domain in served.values()}
    keys = subject_keys(settings, at.postgres)
    handlers = {
        domain.name: handler(domain, decider, stores[domain.name], seal=seal_of(keys, domain))
        for domain, decider in deciders.items()
    }
    history = History(at.postgres, handlers.values())
    editions = Editions(settings, at.postgres)
    past = AsOf(settings, at)
    reading = query_routes(served, at.clickhouse_reader, head, ending, lambda domain: editions.of(domain).live, past)
    made = Litestar(
        route_handlers=[health, *command_routes(handlers), *history.routes, *reading],
        exception_handlers=EXCEPTION_HANDLERS,
        openapi_config=OpenAPIConfig(title="Headrace", version="1", path="/schema"),
        lifespan=[_closing(handlers, [*stores.values(), history, keys, past], editions), _beginning(past, served)],
    )
    _name_schemas(made, served.values())
    return made


def _name_schemas(made: Litestar, served: Iterable[Domain]) -> None:
    """Put the schemas that the routes refer to into the OpenAPI document."""
    schemas: dict[str, Any] = made.openapi_schema.components.schemas
    schemas.update(query_components())
    for domain in served:
        schemas.update(command_components(domain))


@get("/health", sync_to_thread=False, summary="Answers while the process serves requests.")
def health() -> dict[str, str]:
    return {"status": "serving"}


def _closing(
    handlers: Mapping[str, CommandHandler],
    closed: Iterable[PostgresEventStore | History | SubjectKeys | AsOf],
    editions: Editions,
) -> Callable[[Litestar], Any]:
    @asynccontextmanager
    async def lifespan(_: Litestar) -> AsyncIterator[None]:
        await asyncio.to_thread(editions.start)
        yield
        editions.close()
        for handler in handlers.values():
            await handler.close()
        for each in closed:
            each.close()

    return lifespan


def _beginning(past: AsOf, served: Mapping[str, Domain]) -> Callable[[Litestar], Any]:
    @asynccontextmanager
    async def lifespan(_: Litestar) -> AsyncIterator[None]:
        past.start(served.values())
        yield

    return lifespan


def serve(settings: Settings, handler: type[CommandHandler] = CommandHandler) -> None:
    """Serve until SIGTERM or SIGINT; requests under way are answered first. Raises Fatal when the port is taken."""
    at = bound(settings, shared=settings.http_processes > 1)
    servers: list[uvicorn.Server] = []
    served = application(settings, handler, lambda: any(server.should_exit for server in servers))
    settle_memory()
    config = uvicorn.Config(
        served,
        loop="uvloop",
        http="httptools",
        log_config=None,
        access_log=False,
        timeout_graceful_shutdown=10,
    )
    servers.append(uvicorn.Server(config))
    with suppress(KeyboardInterrupt):
        servers[0].run([at])
    if not servers[0].started:
        sys.exit(3)
