"""What the routes of commands say of themselves in the OpenAPI document."""

from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Union

from litestar.openapi.spec import Operation
from msgspec import Struct

from producers.handling.requests import Receipt
from producers.http.inflate import INFLATERS
from producers.http.lines import Line, LineResult
from producers.http.problems import Problem
from schemas import Command, Domain, Id, Schema, answer, content, json_schema, parameter, problems, reference, tag_of
from schemas import components as named

_NDJSON = "application/x-ndjson"
_ID = json_schema(Id)
_HEADERS = [
    parameter("Idempotency-Key", "header", _ID, "The command's id: sent again, it gets the first answer again."),
    parameter(
        "If-Match",
        "header",
        {"type": "string", "pattern": '^(\\*|(W/)?"?[0-9]{1,15}"?)$', "examples": ['"3"']},
        "The version of the stream that the client acts on, as an ETag gave it; `*`: whichever.",
    ),
    parameter("X-Correlation-ID", "header", _ID, "Goes into the events; default: the command's id."),
    parameter("traceparent", "header", {"type": "string"}, "W3C trace context; passed over when it is none."),
]
_ANSWERED = {
    "ETag": {"description": "The version of the stream", "schema": {"type": "string"}},
    "Idempotency-Replayed": {"description": "`true` on a repeated answer", "schema": {"enum": ["true"]}},
}
_LOCATION = {"Location": {"description": "Where the stream is read", "schema": {"type": "string"}}}


def components(domain: Domain) -> dict[str, Schema]:
    """The schemas that the routes of a domain refer to, by name."""
    lines = [Line[Union[domain.commands]]]  # type: ignore[name-defined]  # a type made at run time
    found = named([*domain.commands, *lines], f"{domain.name}.")
    [line] = [name for name in found if name.startswith(f"{domain.name}.Line_")]
    found[_line(domain)] = {**found.pop(line), "title": "CommandLine"}
    return {**named([Receipt, LineResult, Problem]), **found}


def command(
    domain: Domain, kind: type[Command], status: HTTPStatus, *, stream: bool = False, field: str | None = None
) -> type[Operation]:
    """A route of one command. `stream`: the path has the stream's id, so that `field` may be left out of the body."""
    body = {**components(domain)[f"{domain.name}.{kind.__name__}"]}
    body["required"] = [name for name in body["required"] if name not in ("type", field)]
    return _accepting(f"`{tag_of(kind)}`; `type` may be left out.", body, status, stream=stream)


def rollback(target: type[Struct]) -> type[Operation]:
    """The route that brings a stream back to a version."""
    return _accepting("The version to go back to.", json_schema(target), HTTPStatus.OK, stream=True)


def bulk(domain: Domain) -> type[Operation]:
    """The route of many commands."""
    coding = {"enum": ["identity", *INFLATERS]}
    return _documented(
        parameters=[parameter("Content-Encoding", "header", coding, "How the body is packed.")],
        requestBody={
            "description": f"Lines of JSON, each of the schema `{_line(domain)}`.",
            "required": True,
            **content({"type": "string", "x-line-schema": reference(_line(domain))}, _NDJSON),
        },
        responses={
            "200": {
                "description": "Lines of JSON, each of the schema `LineResult`, in the order of the request.",
                **content({"type": "string", "x-line-schema": reference("LineResult")}, _NDJSON),
            },
            **problems(422, 429, 503),
        },
    )


def _accepting(what: str, body: Schema, status: HTTPStatus, *, stream: bool) -> type[Operation]:
    path = [parameter("stream", "path", _ID, "The id of the stream.", required=True)] if stream else []
    headers = _ANSWERED if stream else {**_ANSWERED, **_LOCATION}
    return _documented(
        parameters=[*path, *_HEADERS],
        requestBody={"description": what, "required": bool(body["required"]), **content(body)},
        responses={
            str(status.value): answer("Accepted, and durable", reference("Receipt"), headers),
            **problems(400, 404, 409, 412, 413, 422, 429, 503),
        },
    )


def _line(domain: Domain) -> str:
    return f"{domain.name}.CommandLine"


def _documented(**fields: Any) -> type[Operation]:
    @dataclass
    class Documented(Operation):
        def to_schema(self) -> dict[str, Any]:
            return {**super().to_schema(), **fields}

    return Documented
