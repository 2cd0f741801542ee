"""Compares the rows that two versions of the code made of one history."""

import heapq
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import msgspec
from msgspec import Struct

Rows = Iterable[tuple[bytes, bytes]]
# What a row has beside its data, as a column that no type of a row can have.
POSITION = "(position)"
_ABSENT = object()
_decode = msgspec.json.Decoder(dict[str, Any]).decode


class Change(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One row that differs: `change` is added, removed or changed; `columns` has old and new value of each."""

    aggregate: str
    key: str
    change: str
    columns: dict[str, list[Any]] = {}


@dataclass
class Compared:
    """The rows of one aggregate: how many there are in the new version, and what has become of the old ones.

    `columns` counts the rows in which each column differs; `first` are the first changes by key.
    """

    aggregate: str
    rows: int = 0
    added: int = 0
    removed: int = 0
    changed: int = 0
    columns: Counter[str] = field(default_factory=Counter)
    first: list[Change] = field(default_factory=list)

    @property
    def differences(self) -> int:
        """How many rows differ."""
        return self.added + self.removed + self.changed


def compare(aggregate: str, old: Iterable[Rows], new: Iterable[Rows], limit: int) -> Compared:
    """Compare rows that come in parts, each sorted by key; of the changes the first `limit` are kept."""
    found = Compared(aggregate)
    for key, before, after in _pairs(heapq.merge(*old), heapq.merge(*new)):
        found.rows += after is not None
        if before != after:
            change = _change(aggregate, key.decode(errors="replace"), before, after)
            if change is not None:
                _count(found, change, limit)
    return found


def _count(found: Compared, change: Change, limit: int) -> None:
    found.added += change.change == "added"
    found.removed += change.change == "removed"
    found.changed += change.change == "changed"
    if change.change == "changed":
        found.columns.update(list(change.columns))
    if len(found.first) < limit:
        found.first.append(change)


def _pairs(
    old: Iterator[tuple[bytes, bytes]], new: Iterator[tuple[bytes, bytes]]
) -> Iterator[tuple[bytes, bytes | None, bytes | None]]:
    """Each key once, with its row in both, from rows sorted by key."""
    before, after = next(old, None), next(new, None)
    while before is not None or after is not None:
        if after is None or (before is not None and before[0] < after[0]):
            assert before is not None
            yield before[0], before[1], None
            before = next(old, None)
        elif before is None or after[0] < before[0]:
            yield after[0], None, after[1]
            after = next(new, None)
        else:
            yield after[0], before[1], after[1]
            before, after = next(old, None), next(new, None)


def _change(aggregate: str, key: str, before: bytes | None, after: bytes | None) -> Change | None:
    """What differs; None when the rows only are written another way."""
    old, new = _columns(before), _columns(after)
    columns = {
        name: [old.get(name), new.get(name)]
        for name in {**old, **new}
        if old.get(name, _ABSENT) != new.get(name, _ABSENT)
    }
    if not columns:
        return None
    kind = "added" if before is None else "removed" if after is None else "changed"
    return Change(aggregate=aggregate, key=key, change=kind, columns=columns)


def _columns(row: bytes | None) -> dict[str, Any]:
    if row is None:
        return {}
    decoded = _decode(row)
    data = decoded["data"]
    return {**(data if isinstance(data, dict) else {"data": data}), POSITION: decoded.get("position")}
