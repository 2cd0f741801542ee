"""Errors as problem documents (RFC 9457)."""

import logging
from http import HTTPStatus
from typing import Any

from litestar import Request, Response
from litestar.exceptions import HTTPException
from litestar.types import ExceptionHandlersMap
from msgspec import UNSET, Struct, UnsetType

from schemas import HeadraceError, encode

log = logging.getLogger(__name__)

MEDIA_TYPE = "application/problem+json"


class Problem(Struct, frozen=True):
    """A problem document. `rule` names the rule that was broken, `field` the place in the input."""

    type: str
    title: str
    status: int
    detail: str
    rule: str | UnsetType = UNSET
    field: str | UnsetType = UNSET
    instance: str | UnsetType = UNSET


def problem(error: HeadraceError, instance: str | UnsetType = UNSET) -> Problem:
    """The problem document of an error."""
    return Problem(
        type=f"urn:headrace:problem:{error.rule}" if error.rule else "about:blank",
        title=error.title,
        status=error.status,
        detail=error.detail,
        rule=error.rule or UNSET,
        field=error.field or UNSET,
        instance=instance,
    )


def respond(request: Request[Any, Any, Any], error: HeadraceError) -> Response[bytes]:
    """The response for an error of ours."""
    return _response(problem(error, request.url.path), error.retry_after)


def _response(document: Problem, retry_after: float | None = None) -> Response[bytes]:
    headers = {} if retry_after is None else {"Retry-After": str(max(1, round(retry_after)))}
    return Response(encode(document), status_code=document.status, media_type=MEDIA_TYPE, headers=headers)


def _of_headrace(request: Request[Any, Any, Any], error: HeadraceError) -> Response[bytes]:
    if error.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        log.warning("%s %s: %s", request.method, request.url.path, error.detail)
    return respond(request, error)


def _of_framework(request: Request[Any, Any, Any], error: HTTPException) -> Response[bytes]:
    status = HTTPStatus(error.status_code)
    detail = {
        HTTPStatus.NOT_FOUND: f"there is nothing at {request.url.path}",
        HTTPStatus.METHOD_NOT_ALLOWED: f"{request.method} is not possible at {request.url.path}",
        HTTPStatus.REQUEST_ENTITY_TOO_LARGE: "the body is larger than this route takes",
    }.get(status, error.detail)
    document = Problem("about:blank", status.phrase, status.value, detail, instance=request.url.path)
    response = _response(document)
    for name, value in (error.headers or {}).items():
        response.headers[name] = value
    return response


def _of_a_mistake(request: Request[Any, Any, Any], error: Exception) -> Response[bytes]:
    log.error("%s %s failed", request.method, request.url.path, exc_info=error)
    return _response(
        Problem(
            "about:blank",
            "Internal error",
            500,
            "a mistake of the server; its log has more",
            instance=request.url.path,
        )
    )


EXCEPTION_HANDLERS: ExceptionHandlersMap = {
    HeadraceError: _of_headrace,
    HTTPException: _of_framework,
    Exception: _of_a_mistake,
}
