"""The HTTP API: the write side's and the read side's routes in one application on one port."""

import gc
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from typing import Any

import uvicorn
from litestar import Litestar, get
from litestar.openapi import OpenAPIConfig

from infra.config import Settings
from infra.pipeline import addresses, domains
from producers import CommandHandler, PostgresEventStore
from producers.http import EXCEPTION_HANDLERS, History
from producers.http import components as command_components
from producers.http import routes as command_routes
from schemas import Domain, HeadraceError, stage_module
from sinks.query import components as query_components
from sinks.query import routes as query_routes


def application(settings: Settings, handler: type[CommandHandler] = CommandHandler) -> Litestar:
    """The application over the servers of the settings, with command handlers of the given kind. Connects to nothing
    before the first request.
    """
    at, served = addresses(settings), domains(settings)
    stores = {name: PostgresEventStore(at.postgres, domain) for name, domain in served.items()}

    def head(domain: Domain) -> int | None:
        try:
            return stores[domain.name].head().position
        except HeadraceError:
            return None

    deciders = {domain: stage_module("producers", domain).DECIDER for domain in served.values()}
    handlers = {domain.name: handler(domain, decider, stores[domain.name]) for domain, decider in deciders.items()}
    history = History(at.postgres, handlers.values())
    reading = query_routes(served, at.clickhouse_reader, head)
    made = Litestar(
        route_handlers=[health, *command_routes(handlers), *history.routes, *reading],
        exception_handlers=EXCEPTION_HANDLERS,
        openapi_config=OpenAPIConfig(title="Headrace", version="1", path="/schema"),
        lifespan=[_closing(handlers, stores, history)],
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
    handlers: Mapping[str, CommandHandler], stores: Mapping[str, PostgresEventStore], history: History
) -> Callable[[Litestar], Any]:
    @asynccontextmanager
    async def lifespan(_: Litestar) -> AsyncIterator[None]:
        yield
        for handler in handlers.values():
            await handler.close()
        history.close()
        for store in stores.values():
            store.close()

    return lifespan


def serve(settings: Settings, handler: type[CommandHandler] = CommandHandler) -> None:
    """Serve until SIGTERM or SIGINT; requests under way are answered first."""
    served = application(settings, handler)
    # What was loaded by now stays for good; a collection that walks through it costs a third of a bulk command.
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 10, 10)
    uvicorn.run(
        served,
        host=settings.http_host,
        port=settings.http_port,
        loop="uvloop",
        http="httptools",
        log_config=None,
        access_log=False,
        timeout_graceful_shutdown=10,
    )
