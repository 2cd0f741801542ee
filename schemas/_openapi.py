"""Parts of OpenAPI 3.1 documents, as plain data: what the routes of all stages say of themselves is made of these."""

from collections.abc import Sequence
from http import HTTPStatus
from typing import Any

from schemas._documents import Schema, json_schemas

_PROBLEMS = {
    400: "The body is not JSON",
    404: "What was asked for does not exist",
    409: "A rule of the domain refuses it in the present state, or somebody else keeps writing",
    410: "What was asked for is not kept any more",
    412: "The stream does not have the expected version",
    413: "The body is too large",
    422: "The input does not fit; `field` names the place",
    429: "Too much is under way; send it again later",
    503: "A server that is needed does not answer, or what was asked for is not visible yet; send it again later",
}
_RETRY = {"Retry-After": {"description": "Seconds to wait", "schema": {"type": "integer", "minimum": 1}}}


def reference(name: str) -> Schema:
    """A schema by its name in the document's components."""
    return {"$ref": f"#/components/schemas/{name}"}


def components(kinds: Sequence[Any], prefix: str = "") -> dict[str, Schema]:
    """The schemas of types and of all that they refer to, by their names with the prefix, for the components."""
    _, named = json_schemas(kinds, f"#/components/schemas/{prefix}{{name}}")
    return {f"{prefix}{name}": schema for name, schema in named.items()}


def parameter(name: str, place: str, schema: Schema, description: str, *, required: bool = False) -> dict[str, Any]:
    """A parameter in `path`, `query` or `header`."""
    return {"name": name, "in": place, "schema": schema, "description": description, "required": required}


def content(schema: Schema, media_type: str = "application/json") -> dict[str, Any]:
    """The content of a body."""
    return {"content": {media_type: {"schema": schema}}}


def answer(description: str, schema: Schema, headers: dict[str, Any] | None = None) -> dict[str, Any]:
    """A response with a JSON body."""
    return {"description": description, "headers": headers or {}, **content(schema)}


def problems(*statuses: int) -> dict[str, Any]:
    """Responses with problem documents, by status."""
    return {
        str(status): {
            "description": _PROBLEMS[status],
            "headers": _RETRY if status in (HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE) else {},
            **content(reference("Problem"), "application/problem+json"),
        }
        for status in statuses
    }
