"""What the routes of queries say of themselves in the OpenAPI document."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from litestar.openapi.spec import Operation
from msgspec import UNSET

from schemas import Schema, answer, parameter, problems, reference
from schemas import components as named
from sinks.query.freshness import Freshness
from sinks.query.named import NamedQuery
from sinks.query.named import Parameter as Asked
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
        "timeout", "query", {"type": "number", "minimum": 0, "maximum": 30}, "Seconds to wait for that; default 5."
    ),
]
_LIMIT = parameter("limit", "query", {"type": "integer", "minimum": 1, "maximum": MAX_LIMIT}, "How many; default 100.")
_AFTER = parameter("after", "query", _POSITION, "What was `next` in the page before.")
_PAGED = [
    parameter("sort", "query", _TEXT, "Columns to order by, joined by commas; `-` before one turns it round."),
    _LIMIT,
    parameter("cursor", "query", _TEXT, "What was `next` in the page before."),
]
_ROW = parameter("row", "path", _TEXT, "The key of the row.", required=True)
_STREAM = parameter("stream", "path", _TEXT, "The id of the stream.", required=True)
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
    return named([Freshness])


def rows(tables: Sequence[Table], *, chosen: bool = False) -> type[Operation]:
    """A list of rows of the one table, or of one of them that the path names."""
    columns = sorted({column for table in tables for column in (table.key, *table.columns)})
    suffixes = ", ".join(f"`{column}__{operator}`" for operator in OPERATORS if operator for column in columns[:1])
    filters = [
        parameter(c, "query", _TEXT, f"Rows with this value only; with suffixes as {suffixes}.") for c in columns
    ]
    return _read([*_path(tables, chosen), *_PAGED, *filters], _ROWS, {"type": ["string", "null"]}, 404)


def row(tables: Sequence[Table], *, chosen: bool = False) -> type[Operation]:
    """One row of the one table, or of one of them that the path names."""
    return _read([*_path(tables, chosen), _ROW if chosen else _STREAM], _OBJECT, None, 404)


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
    return _read([_asked(each) for each in named_query.parameters], _ROWS, None)


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


def _read(parameters: list[dict[str, Any]], data: Schema, following: Schema | None, *statuses: int) -> type[Operation]:
    fields = {"data": data, "freshness": reference("Freshness"), **({"next": following} if following else {})}
    body: Schema = {"type": "object", "properties": fields, "required": sorted(fields)}
    position = {"Headrace-Position": {"description": "Complete up to here", "schema": {"type": "integer"}}}
    return _documented(
        parameters=[*parameters, *_FRESH],
        responses={"200": answer("What was found", body, position), **problems(*statuses, 422, 503)},
    )


def _documented(**fields: Any) -> type[Operation]:
    @dataclass
    class Documented(Operation):
        def to_schema(self) -> dict[str, Any]:
            return {**super().to_schema(), **fields}

    return Documented
