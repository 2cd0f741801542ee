"""JSON Schema (2020-12) of the contract's types, as people and other languages read it."""

import inspect
from collections.abc import Sequence
from typing import Any

import msgspec

from schemas._codec import encode

Schema = dict[str, Any]


def json_schemas(kinds: Sequence[Any], references: str = "#/$defs/{name}") -> tuple[list[Schema], dict[str, Schema]]:
    """The schema of each type, and by name those that they refer to as `references` says."""
    made, named = msgspec.json.schema_components(list(kinds), ref_template=references)
    # Defaults become what is stored of them.
    plain: tuple[list[Schema], dict[str, Schema]] = msgspec.json.decode(
        encode((made, named)), type=tuple[list[Schema], dict[str, Schema]]
    )
    for schema in (*plain[0], *plain[1].values()):
        _mend(schema)
    return plain


def json_schema(kind: Any) -> Schema:
    """The schema of one type, with all that it refers to in its `$defs`."""
    [schema], named = json_schemas([kind])
    top = named.pop(schema["$ref"].rpartition("/")[2]) if "$ref" in schema else schema
    return {**top, "$defs": named} if named else top


def _mend(node: Any) -> None:
    """Make patterns readable for all: what is `\\Z` here is `$` in JSON Schema."""
    if isinstance(node, list):
        for each in node:
            _mend(each)
    elif isinstance(node, dict):
        if isinstance(pattern := node.get("pattern"), str):
            node["pattern"] = pattern.removesuffix("\\Z") + "$" if pattern.endswith("\\Z") else pattern
        if isinstance(text := node.get("description"), str):
            node["description"] = inspect.cleandoc(text)
        for each in node.values():
            _mend(each)
