"""The HTTP routes of the write side, made for every domain from its commands."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from litestar import Request, post
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath
from litestar.types import ASGIApp, HTTPResponseBodyEvent, HTTPResponseStartEvent, Receive, Scope, Send
from msgspec import UNSET

from producers.handling.handler import CommandHandler
from producers.handling.requests import Receipt
from producers.http import documents
from producers.http.bulk import BulkExchange
from producers.http.inflate import INFLATERS
from producers.http.intake import command_at, command_of, request_of
from producers.http.paths import command_paths, stream_field
from schemas import Command, Invalid, encode, reach

MAX_BODY = 1_000_000


def routes(handlers: Mapping[str, CommandHandler]) -> list[HTTPRouteHandler]:
    """Route handlers for all domains, by the domain's name: `POST /api/<domain>/` takes the first of its commands,
    `/api/<domain>/<stream>/<command>` each other one, `/api/<domain>/bulk` any of them as NDJSON.
    """
    return [route for name, handler in handlers.items() for route in _domain_routes(f"/api/{name}", handler)]


def _domain_routes(root: str, handler: CommandHandler) -> list[HTTPRouteHandler]:
    domain = handler.domain
    return [
        _first(root, handler, domain.commands[0]),
        _bulk(root, handler),
        *(
            _further(root, handler, path, kind, stream_field(domain, kind))
            for path, kind in command_paths(domain).items()
        ),
    ]


def _first(root: str, handler: CommandHandler, kind: type[Command]) -> HTTPRouteHandler:
    @post(
        f"{root}/",
        request_max_body_size=MAX_BODY,
        summary=kind.__doc__,
        tags=[handler.domain.name],
        operation_class=documents.command(handler.domain, kind, HTTPStatus.CREATED),
    )
    async def begin(request: Request[Any, Any, Any]) -> ASGIApp:
        body = await request.body()
        command = command_of(handler.domain, kind, body)
        receipt = await handler.handle(request_of(request, command, len(body)))
        return receipt_response(receipt, HTTPStatus.CREATED, f"{root}/{receipt.stream}")

    return begin


def _further(root: str, handler: CommandHandler, path: str, kind: type[Command], field: str | None) -> HTTPRouteHandler:
    @post(
        f"{root}/{{stream:str}}/{path}",
        status_code=HTTPStatus.OK,
        request_max_body_size=MAX_BODY,
        summary=kind.__doc__,
        tags=[handler.domain.name],
        operation_class=documents.command(handler.domain, kind, HTTPStatus.OK, stream=True, field=field),
    )
    async def go_on(request: Request[Any, Any, Any], stream: FromPath[str]) -> ASGIApp:
        body = await request.body()
        command = command_at(handler.domain, kind, field, stream, body)
        return receipt_response(await handler.handle(request_of(request, command, len(body))), HTTPStatus.OK)

    return go_on


def _bulk(root: str, handler: CommandHandler) -> HTTPRouteHandler:
    @post(
        f"{root}/bulk",
        status_code=HTTPStatus.OK,
        request_max_body_size=None,
        summary="Any commands, one a line; results stream back while the request is still being read",
        tags=[handler.domain.name],
        operation_class=documents.bulk(handler.domain),
    )
    async def bulk(request: Request[Any, Any, Any]) -> ASGIApp:
        coding = request.headers.get("content-encoding", "identity").lower()
        if coding == "identity":
            return BulkExchange(handler)
        if coding not in INFLATERS:
            known = " or ".join(INFLATERS)
            raise Invalid(f"the body may be packed with {known}, not with {coding}", rule="unknown-content-encoding")
        return BulkExchange(handler, INFLATERS[coding]())

    return bulk


class Answer:
    """A response whose bytes are known, as an ASGI application: the framework's own way costs three times as much."""

    __slots__ = ("_body", "_start")

    def __init__(self, status: HTTPStatus, headers: list[tuple[bytes, bytes]], body: bytes) -> None:
        lengths = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
        self._start: HTTPResponseStartEvent = {
            "type": "http.response.start",
            "status": status,
            "headers": lengths + headers,
        }
        self._body: HTTPResponseBodyEvent = {"type": "http.response.body", "body": body, "more_body": False}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        del scope, receive
        await send(self._start)
        await send(self._body)


def receipt_response(receipt: Receipt, status: HTTPStatus, location: str = "") -> ASGIApp:
    """The response to a command that was stored; `location` is where its stream is found."""
    reach("http.answering")
    headers = [(b"etag", b'"%d"' % receipt.version)]
    if location:
        headers.append((b"location", location.encode()))
    if receipt.repeated is not UNSET:
        headers.append((b"idempotency-replayed", b"true"))
    return Answer(status, headers, encode(receipt))
