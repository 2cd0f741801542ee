"""The HTTP route that rolls a stream back."""

from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import Annotated, Any

import msgspec
from litestar import Request, post
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath
from litestar.types import ASGIApp

from producers.handling.handler import CommandHandler
from producers.handling.rollback import Rollback
from producers.history import Traveller
from producers.http import documents
from producers.http.intake import request_of
from producers.http.routes import receipt_response
from schemas import Invalid, Malformed

_MAX_BODY = 10_000


class Target(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The version to roll back to."""

    version: Annotated[int, msgspec.Meta(ge=1, le=2**53)]


_target = msgspec.json.Decoder(Target).decode


def rollback_route(
    handler: CommandHandler, traveller: Traveller, run: Callable[[Callable[[], Any]], Awaitable[Any]]
) -> HTTPRouteHandler:
    """`POST /api/<domain>/<stream>/rollback`; `run` runs what blocks in a thread."""
    name = handler.domain.name

    @post(
        f"/api/{name}/{{stream:str}}/rollback",
        status_code=HTTPStatus.OK,
        request_max_body_size=_MAX_BODY,
        summary="Bring a stream back to the state of a version, by new events, where the domain allows it",
        tags=[name],
        operation_class=documents.rollback(Target),
    )
    async def rollback(request: Request[Any, Any, Any], stream: FromPath[str]) -> ASGIApp:
        body = await request.body()
        version = _version(body)
        asked = request_of(request, Rollback(stream=stream, version=version), len(body))
        if handler.decider.revert is not None:
            asked.then = await run(lambda: traveller.state(stream, version))
        return receipt_response(await handler.handle(asked), HTTPStatus.OK)

    return rollback


def _version(body: bytes) -> int:
    try:
        return _target(body).version
    except msgspec.ValidationError as error:
        raise Invalid(f'the body is {{"version": N}}: {error}', rule="invalid-field", field="version") from error
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        raise Malformed(f"the body is not valid JSON: {error}", rule="malformed-json") from error
