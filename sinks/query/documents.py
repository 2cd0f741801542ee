"""What the routes of queries say of themselves in the OpenAPI document."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from litestar.openapi.spec import Operation
from msgspec import UNSET

from schemas import Schema, answer, parameter, problems, reference
from schemas import components as named
from sinks.query.adhoc import Described, Read, Sql
from sinks.query.formats import FORMATS
from sinks.query.freshness import Freshness
from sinks.query.named import NamedQuery
from sinks.query.named import Parameter as Asked
from sinks.query.paging import MAX_PAGE
from sinks.query.tables import MAX_LIMIT, OPERATORS
from sinks.table import Table

_TEXT: Schema = {"type": "string"}
_POSITION: Schema = {"type": "integer", "minimum": 0, "maximum": 2**63}
_FRESH = [
    parameter(
        "consistency",
        "query",
        {"enum": ["eventual", "token", "strong"]},
        "How fresh the answer must be; default: `token` when there is one, else `eventual`.",
    ),
    parameter("token", "query", _TEXT, "The token of a command's answer: the command must be visible."),
    parameter(
        "max_staleness",
        "query",
        {"type": "string", "pattern": r"^[0-9]{1,9}(\.[0-9]{1,9})?(ms|s|m|h)?$"},
        "How old the answer may be, as 2s or 500ms; default: any age.",
    ),
    parameter(
        "timeout", "query", {"type": "number", "minimum": 0, "maximum": 30}, "Seconds to wait for that; default 5."
    ),
]
_PAST = parameter(
    "as_of",
    "query",
    {
        "type": "string",
        "pattern": r"^([0-9]{1,19}|[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt][0-9:.]+([Zz]|[+-][0-9]{2}:[0-9]{2}))$",
    },
    "The read model as of this position, or of the last event appended by this instant; without it: the present. It "
    "excludes `consistency`, `token` and `max_staleness`. While the tables of that moment are being made, the answer "
    "is 503 with `Retry-After` once `timeout` is over.",
)
_LIMIT = parameter("limit", "query", {"type": "integer", "minimum": 1, "maximum": MAX_LIMIT}, "How many; default 100.")
_AFTER = parameter("after", "query", _POSITION, "What was `next` in the page before.")
_CURSOR = parameter("cursor", "query", _TEXT, "What was `next` in the page before.")
_PAGE = parameter(
    "limit",
    "query",
    {"type": "integer", "minimum": 1, "maximum": MAX_PAGE},
    "Rows of a page; without it and a cursor: all rows.",
)
_PAGED = [
    parameter("sort", "query", _TEXT, "Columns to order by, joined by commas; `-` before one turns it round."),
    _LIMIT,
    _CURSOR,
]
_ROW = parameter("row", "path", _TEXT, "The key of the row.", required=True)
_STREAM = parameter("stream", "path", _TEXT, "The id of the stream.", required=True)
_POSITIONED = {
    "Headrace-Position": {"description": "Complete up to here", "schema": {"type": "integer"}},
    "Headrace-Staleness-Ms": {"description": "Age of what was read", "schema": {"type": "number"}},
}
_BODY = {"required": True, "content": {"application/json": {"schema": reference("Sql")}}}
_OBJECT: Schema = {"type": "object"}
_ROWS: Schema = {"type": "array", "items": _OBJECT}
_KINDS: tuple[tuple[str, Schema], ...] = (
    (r"UInt\d+", {"type": "integer", "minimum": 0}),
    (r"Int\d+", {"type": "integer"}),
    (r"Float\d+|Decimal.*", {"type": "number"}),
    (r"Date(32)?", {"type": "string", "format": "date"}),
    (r"DateTime.*", {"type": "string", "format": "date-time"}),
    (r"Bool", {"type": "boolean"}),
    (r"UUID", {"type": "string", "format": "uuid"}),
)


def components() -> dict[str, Schema]:
    """The schemas that the routes refer to, by name."""
    return named([Described, Freshness, Read, Sql])


def rows(tables: Sequence[Table], *, chosen: bool = False) -> type[Operation]:
    """A list of rows of the one table, or of one of them that the path names."""
    columns = sorted({column for table in tables for column in (table.key, *table.columns)})
    suffixes = ", ".join(f"`{column}__{operator}`" for operator in OPERATORS if operator for column in columns[:1])
    filters = [
        parameter(c, "query", _TEXT, f"Rows with this value only; with suffixes as {suffixes}.") for c in columns
    ]
    return _read([*_path(tables, chosen), *_PAGED, *filters, _PAST], _ROWS, {"type": ["string", "null"]}, 404, 410)


def row(tables: Sequence[Table], *, chosen: bool = False) -> type[Operation]:
    """One row of the one table, or of one of them that the path names."""
    return _read([*_path(tables, chosen), _ROW if chosen else _STREAM, _PAST], _OBJECT, None, 404, 410)


def events(types: Sequence[str]) -> type[Operation]:
    """All events of a domain."""
    kind = parameter("type", "query", {"enum": list(types)}, "Events of this type only.")
    stream = parameter("stream", "query", _TEXT, "Events of this stream only.")
    return _read([kind, stream, _AFTER, _LIMIT], _ROWS, {"type": ["integer", "null"]})


def log() -> type[Operation]:
    """The events of a stream."""
    return _read([_STREAM, _AFTER, _LIMIT], _ROWS, {"type": ["integer", "null"]}, 404)


def query(named_query: NamedQuery) -> type[Operation]:
    """A named query."""
    order = named_query.ordered
    parameters = [_asked(each) for each in named_query.parameters]
    if order is not None:
        parameters += [_CURSOR] if order.own_limit else [_CURSOR, _PAGE]
    return _read([*parameters, _PAST], _ROWS, {"type": ["string", "null"]}, 410, 429, forms=True)


def live(types: Sequence[str]) -> type[Operation]:
    """Events as they come."""
    kind = parameter("type", "query", {"enum": list(types)}, "Events of this type only.")
    stream = parameter("stream", "query", _TEXT, "Events of this stream only.")
    return _followed([kind, stream])


def live_query(named_query: NamedQuery) -> type[Operation]:
    """A named query, again and again."""
    return _followed([_asked(each) for each in named_query.parameters])


def _followed(parameters: list[dict[str, Any]]) -> type[Operation]:
    after = parameter("after", "query", _POSITION, "Go on after this position; default: from now on.")
    back = parameter("Last-Event-ID", "header", _POSITION, "As `after`, sent by a client that comes back.")
    found = {"description": "Messages without end", "content": {"text/event-stream": {"schema": _TEXT}}}
    return _documented(parameters=[*parameters, after, back], responses={"200": found, **problems(422)})


def sql() -> type[Operation]:
    """A statement of the caller's."""
    fresh: Schema = {"type": "object", "additionalProperties": reference("Freshness")}
    fields = {"data": _ROWS, "freshness": fresh, "error": _OBJECT, "next": {"type": ["string", "null"]}}
    body: Schema = {"type": "object", "properties": fields, "required": ["data", "freshness"]}
    return _documented(
        parameters=[*_FRESH, _PAST],
        requestBody=_BODY,
        responses={
            "200": _in_all_forms(answer("The rows", body, _POSITIONED)),
            **problems(400, 410, 413, 422, 429, 503),
        },
    )


def preview() -> type[Operation]:
    """The cost of a statement."""
    fields = {"reads": {"type": "array", "items": reference("Read")}, "rows": {"type": "integer"}}
    body: Schema = {"type": "object", "properties": fields, "required": ["reads", "rows"]}
    return _documented(
        requestBody=_BODY, responses={"200": answer("What it would read", body), **problems(400, 413, 422, 503)}
    )


def tables() -> type[Operation]:
    """The tables that statements can read."""
    listed: Schema = {"type": "array", "items": reference("Described")}
    body: Schema = {"type": "object", "properties": {"data": listed}, "required": ["data"]}
    return _documented(responses={"200": answer("The tables and their columns", body), **problems(503)})


def queries() -> type[Operation]:
    """The list of the named queries."""
    body: Schema = {"type": "object", "properties": {"data": _ROWS}, "required": ["data"]}
    return _documented(responses={"200": answer("The queries and their parameters", body)})


def _path(tables: Sequence[Table], chosen: bool) -> list[dict[str, Any]]:
    names: Schema = {"enum": [table.aggregate for table in tables]}
    return [parameter("aggregate", "path", names, "The aggregate.", required=True)] if chosen else []


def _asked(asked: Asked) -> dict[str, Any]:
    schema = next((schema for kind, schema in _KINDS if re.fullmatch(kind, asked.type)), _TEXT)
    default: Schema = {} if asked.default is UNSET else {"default": asked.default}
    if default and schema.get("type") == "integer":
        default["default"] = int(default["default"])
    return parameter(asked.name, "query", {**schema, **default}, asked.description, required=not default)


def _in_all_forms(found: dict[str, Any]) -> dict[str, Any]:
    text: Schema = {"type": "string"}
    others = {media_type: {"schema": text} for media_type in FORMATS if media_type not in found["content"]}
    return {**found, "content": {**found["content"], **others}}


def _read(
    parameters: list[dict[str, Any]], data: Schema, following: Schema | None, *statuses: int, forms: bool = False
) -> type[Operation]:
    fields = {"data": data, "freshness": reference("Freshness"), **({"next": following} if following else {})}
    body: Schema = {"type": "object", "properties": fields, "required": sorted(fields)}
    found = answer("What was found", body, _POSITIONED)
    return _documented(
        parameters=[*parameters, *_FRESH],
        responses={"200": _in_all_forms(found) if forms else found, **problems(*statuses, 422, 503)},
    )


def _documented(**fields: Any) -> type[Operation]:
    @dataclass
    class Documented(Operation):
        def to_schema(self) -> dict[str, Any]:
            return {**super().to_schema(), **fields}

    return Documented
