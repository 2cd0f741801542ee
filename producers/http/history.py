"""The HTTP routes into the past of a stream, made for every domain."""

import asyncio
import re
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from typing import Annotated, Any, TypeVar

import msgspec
from litestar import Request, Response, get
from litestar.exceptions import ValidationException
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath, QueryParameter

from producers.handling.handler import CommandHandler
from producers.history import Difference, Page, Seen, Traveller
from producers.http.problems import respond
from producers.http.responses import answer
from producers.http.rollback import rollback_route
from producers.store.connections import READER
from producers.store.postgres import PostgresEventStore
from schemas import Busy, Invalid, encode

T = TypeVar("T")
MAX_LIMIT = 1_000
_THREADS = 2
_WAITING = 64
_MISSING = re.compile(r"Missing required query parameter '(\w+)'")
Version = Annotated[
    int | None, QueryParameter(ge=1, le=2**53, description="A version, from 1; default: the current one.")
]
At = Annotated[
    datetime | None,
    QueryParameter(description="An instant, RFC 3339 with an offset: what had been appended by then."),
]
After = Annotated[int, QueryParameter(ge=0, le=2**53, description="The version before the first event to answer.")]
Limit = Annotated[int, QueryParameter(ge=1, le=MAX_LIMIT, description="How many events at most.")]
From = Annotated[
    int, QueryParameter(name="from", ge=0, le=2**53, description="A version; 0 is before the first event.")
]
To = Annotated[int, QueryParameter(name="to", ge=0, le=2**53, description="Another version, also a lower one.")]


class History:
    """The routes of all domains: `/api/<domain>/<stream>/state`, `/history`, `/difference` and `/rollback`.

    Reads run in a few threads of their own, so that they do not hold up commands.
    """

    def __init__(self, postgres: str, handlers: Iterable[CommandHandler]) -> None:
        self._stores: list[PostgresEventStore] = []
        self._threads = ThreadPoolExecutor(_THREADS, "history")
        self._pending = 0
        self.routes: list[HTTPRouteHandler] = []
        for handler in handlers:
            store = PostgresEventStore(postgres, handler.domain, _THREADS, READER)
            traveller = Traveller(handler.domain, handler.decider, store)
            self._stores.append(store)
            self.routes += [*self._reading(traveller), rollback_route(handler, traveller, self._run)]

    def close(self) -> None:
        """Wait for the reads under way, then close the connections."""
        self._threads.shutdown()
        for store in self._stores:
            store.close()

    def _reading(self, traveller: Traveller) -> list[HTTPRouteHandler]:
        name = traveller.domain.name
        root = f"/api/{name}/{{stream:str}}"
        common: dict[str, Any] = {"tags": [name], "exception_handlers": {ValidationException: _of_parameters}}

        @get(
            f"{root}/state",
            summary="The state of a stream now, at a version, or at an instant (time of append)",
            responses=answer(Seen, "The state, with its version as ETag"),
            **common,
        )
        async def state(stream: FromPath[str], version: Version = None, at: At = None) -> Response[bytes]:
            if at is None:
                seen = await self._run(lambda: traveller.at_version(stream, version))
            elif version is not None:
                raise Invalid("give a version or an instant, not both", rule="one-of-version-and-at", field="at")
            elif at.tzinfo is None:
                raise Invalid("at needs an offset, such as Z", rule="invalid-parameter", field="at")
            else:
                seen = await self._run(lambda: traveller.at_instant(stream, at))
            return _json(seen, {"ETag": f'"{seen.version}"'})

        @get(
            f"{root}/history",
            summary="The events of a stream, by version, as they are stored",
            responses=answer(Page, "A page of events"),
            **common,
        )
        async def history(stream: FromPath[str], after: After = 0, limit: Limit = 100) -> Response[bytes]:
            return _json(await self._run(lambda: traveller.history(stream, after, limit)), {})

        @get(
            f"{root}/difference",
            summary="What differs between two versions of a stream, and the events between them",
            responses=answer(Difference, "Both versions and what differs"),
            **common,
        )
        async def difference(stream: FromPath[str], before: From, after: To) -> Response[bytes]:
            return _json(await self._run(lambda: traveller.difference(stream, before, after)), {})

        return [state, history, difference]

    async def _run(self, read: Callable[[], T]) -> T:
        if self._pending >= _WAITING:
            raise Busy(f"{self._pending} reads of the past wait already", rule="too-many-reads", retry_after=1.0)
        self._pending += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, read)
        finally:
            self._pending -= 1


def _json(body: msgspec.Struct, headers: dict[str, str]) -> Response[bytes]:
    return Response(encode(body), media_type="application/json", headers=headers)


def _of_parameters(request: Request[Any, Any, Any], error: ValidationException) -> Response[bytes]:
    [found, *_] = error.extra if isinstance(error.extra, list) and error.extra else [{}]
    missing = _MISSING.match(error.detail)
    field = missing[1] if missing else str(found.get("key", ""))
    field = {"before": "from", "after": "to"}.get(field, field) if request.url.path.endswith("/difference") else field
    detail = "it is needed here" if missing else str(found.get("message", error.detail))
    return respond(request, Invalid(f"{field}: {detail}" if field else detail, rule="invalid-parameter", field=field))
