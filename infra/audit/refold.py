"""Audits the folds: the last rows of each aggregate's topic against a refold of all events by today's code.

The refold of a partition comes to the position of the topic's watermark, so that rows are compared at one moment.
"""

import time
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import msgspec

from infra.audit.changelog import Changelog, read
from infra.audit.findings import Difference, Found, Hop, shown
from infra.audit.records import Records
from infra.history import recorded
from infra.stack import Addresses
from schemas import Domain
from streams.replay import Progress, Replayed, replay

_decode = msgspec.json.Decoder(dict[str, Any]).decode


@dataclass(frozen=True)
class Wrong:
    """One row that differs: `missing` in the topic, `extra` there, or `altered`."""

    kind: str
    key: str
    differences: tuple[Difference, ...] = ()


@dataclass
class Refolded:
    """What came of one aggregate in one partition: how many rows, how many are wrong, and the first of them.

    `moved` counts rows that changed after the position and were left out.
    """

    aggregate: str
    rows: int = 0
    wrong: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    first: list[Wrong] = field(default_factory=list)
    moved: int = 0


def audit_folds(
    domain: Domain,
    at: Addresses,
    positions: Mapping[int, int],
    limit: int,
    show: Callable[[int, int], None],
    archive: str = "",
) -> tuple[list[Hop], list[Found]]:
    """Refold each partition up to its position and compare its rows; a hop for each aggregate of the domain's version.

    Raises Unavailable when a server does not answer, Fatal when the history cannot be read.
    """
    began = time.monotonic()
    history = recorded(domain, at, archive)
    topics = {each.name: domain.aggregate_topic(each) for each in domain.aggregates}
    finish = partial(_compare, at.kafka, domain.partitions, topics, limit)
    by_position: dict[int, list[int]] = defaultdict(list)
    for number, position in positions.items():
        by_position[position].append(number)
    made: list[Refolded] = []
    for position, numbers in by_position.items():
        if position:
            told = partial(_tell, show, len(numbers))
            made += [one for each in replay(history.task(position, finish), numbers, show=told) for one in each]
    upto, seconds = min(positions.values(), default=0), time.monotonic() - began
    hops, found = [], []
    for name, topic in topics.items():
        mine = [each for each in made if each.aggregate == name]
        one = Found(domain.key, f"folds of {topic}", limit)
        hops.append(_hop(one, mine, upto, seconds))
        found.append(one)
    return hops, found


def _tell(show: Callable[[int, int], None], total: int, at: Progress) -> None:
    show(at.partitions, total)


def _hop(found: Found, made: list[Refolded], upto: int, seconds: float) -> Hop:
    for each in made:
        for wrong in each.first:
            what = {"missing": "the topic has no such row", "extra": "a refold makes no such row"}
            detail = what.get(wrong.kind, "the row differs from that of a refold")
            found.add(wrong.kind, detail, key=wrong.key, differences=wrong.differences)  # type: ignore[arg-type]  # a kind
        for kind, count in each.wrong.items():
            found.count(kind, count - sum(wrong.kind == kind for wrong in each.first))  # type: ignore[arg-type]
    rows, moved = sum(each.rows for each in made), sum(each.moved for each in made)
    note = f"{moved:,} rows changed meanwhile" if moved else ""
    return found.hop_of(upto=upto, count=rows, distinct=rows, seconds=seconds, note=note)


def _compare(kafka: str, partitions: int, topics: Mapping[str, str], limit: int, made: Replayed) -> list[Refolded]:
    """Compare a refolded partition with its topics; runs in the process that refolded it."""
    return [_aggregate(kafka, topic, partitions, made, name, limit) for name, topic in topics.items()]


def _aggregate(kafka: str, topic: str, partitions: int, made: Replayed, name: str, limit: int) -> Refolded:
    result, position = Refolded(name), made.mark.position
    with Records(kafka, topic, partitions) as records:
        first, end = records.bounds()[made.partition]
        changelog = Changelog(made.partition, position, cut=first - 1, position=0)
        read(records, changelog, (first, end), 0)
    rows = made.tables[name]
    later = {key for key, _, _ in changelog.later}
    for key in rows.keys() | changelog.rows.keys():
        expected, (_, there) = rows.get(key), changelog.rows.get(key, (-1, None))
        result.rows += there is not None
        if expected == there:
            continue
        if there is None and key in later:
            result.moved += 1
            continue
        one, other = _columns(expected), _columns(there)
        if one == other:
            continue
        if other.get("position", 0) > position or (there is None and changelog.position > position):
            result.moved += 1
            continue
        _note(result, key, one, other, limit)
    return result


def _note(result: Refolded, key: bytes, one: dict[str, Any], other: dict[str, Any], limit: int) -> None:
    kind = "altered" if one and other else "missing" if one else "extra"
    result.wrong[kind] += 1
    if len(result.first) < limit:
        names = [name for name in {**one, **other} if one.get(name) != other.get(name)] if one and other else []
        unlike = tuple(Difference(name, shown(one.get(name)), shown(other.get(name))) for name in names)
        result.first.append(Wrong(kind, key.decode(errors="replace"), unlike))


def _columns(row: bytes | None) -> dict[str, Any]:
    """A row's columns. How often it was refolded is none of them."""
    if row is None:
        return {}
    decoded = _decode(row)
    data = decoded.pop("data")
    decoded.pop("epoch", None)
    return {**decoded, **(data if isinstance(data, dict) else {"data": data})}
