"""What differs between two JSON values, field by field."""

from collections.abc import Iterator
from typing import Any

from msgspec import UNSET, Struct, UnsetType, field

MISSING = UNSET


class Change(Struct, frozen=True):
    """One difference at a JSON Pointer (RFC 6901). `from` is left out for what was added, `to` for what is gone."""

    path: str
    before: Any | UnsetType = field(default=UNSET, name="from")
    after: Any | UnsetType = field(default=UNSET, name="to")


def changes(before: Any, after: Any, path: str = "") -> Iterator[Change]:
    """The differences from one JSON value to another, as few and as deep as they go; lists are compared by index."""
    if isinstance(before, dict) and isinstance(after, dict):
        for name in [*before, *(name for name in after if name not in before)]:
            yield from changes(before.get(name, MISSING), after.get(name, MISSING), f"{path}/{_escaped(name)}")
    elif isinstance(before, list) and isinstance(after, list):
        for index in range(max(len(before), len(after))):
            yield from changes(_item(before, index), _item(after, index), f"{path}/{index}")
    elif type(before) is not type(after) or before != after:
        yield Change(path, before, after)


def _escaped(name: str) -> str:
    return name.replace("~", "~0").replace("/", "~1")


def _item(items: list[Any], index: int) -> Any:
    return items[index] if index < len(items) else MISSING
