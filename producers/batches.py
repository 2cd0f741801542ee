"""Puts the writes of one batch into the flat parameters of the SQL function `append`."""

import json
from collections.abc import Iterable, Sequence
from datetime import timedelta
from typing import Any

from producers.hashing import SEPARATOR
from producers.store import Write


class Literal:
    """A text given as UTF-8 bytes without NUL, as an SQL literal: a tenth of the cost of the driver's own way.

    Needs standard_conforming_strings, which is set on every connection.
    """

    def __init__(self, data: bytes) -> None:
        self._data = data

    def __conform__(self, _protocol: object) -> "Literal":
        return self

    def getquoted(self) -> bytes:
        return b"'" + self._data.replace(b"'", b"''") + b"'"


def parameters(domain: str, lateness: timedelta, writes: Sequence[Write]) -> dict[str, Any]:
    """The parameters of `append.sql`."""
    ordinals: dict[str, int] = {}
    firsts: list[Write] = []
    targets: list[int] = []
    for write in writes:
        ordinal = ordinals.get(write.stream)
        if ordinal is None:
            firsts.append(write)
            ordinal = ordinals[write.stream] = len(firsts)
        targets.append(ordinal)
    rows = [
        (target, command, number, write.command, write.stream, write.partition_key, event)
        for command, (target, write) in enumerate(zip(targets, writes, strict=True), 1)
        for number, event in enumerate(write.events, 1)
    ]
    events = [row[6] for row in rows]
    lengths = [len(event.data) for event in events]
    guards = {n: [[g.kind, g.key, g.amount, g.floor] for g in w.guards] for n, w in enumerate(writes, 1) if w.guards}
    return {
        "domain": domain,
        "lateness": lateness,
        "stream_names": _texts(write.stream for write in firsts),
        "stream_versions": _numbers(write.version for write in firsts),
        "stream_hashes": _bytes(write.hash for write in firsts),
        "command_ids": _texts(write.command for write in writes),
        "command_fingerprints": _bytes(write.fingerprint for write in writes),
        "command_streams": _numbers(targets),
        "command_events": _numbers(len(write.events) for write in writes),
        "command_correlations": _optional([write.correlation for write in writes]),
        "command_traceparents": _optional([write.traceparent for write in writes]),
        "guards": json.dumps(guards) if guards else None,
        "event_streams": _numbers(row[0] for row in rows),
        "event_commands": _numbers(row[1] for row in rows),
        "event_numbers": _numbers(row[2] for row in rows),
        "event_causes": _texts(row[3] for row in rows),
        "event_names": _texts(row[4] for row in rows),
        "event_keys": _texts(row[5] for row in rows),
        "event_types": _texts(event.type for event in events),
        "event_times": _numbers(event.happened for event in events),
        "event_starts": _numbers(_starts(lengths)),
        "event_lengths": _numbers(lengths),
        "event_hashes": _bytes(event.hash for event in events),
        "event_data": Literal(b"".join([event.data for event in events])),
    }


def _texts(values: Iterable[str]) -> Literal:
    return Literal(SEPARATOR.join(values).encode())


def _numbers(values: Iterable[int]) -> str:
    return "{" + ",".join(map(str, values)) + "}"


def _bytes(values: Iterable[bytes]) -> Literal:
    return Literal(b"\\x" + b"".join(values).hex().encode())


def _optional(values: list[str | None]) -> list[str | None] | None:
    return values if any(values) else None


def _starts(lengths: list[int]) -> Iterable[int]:
    start = 1
    for length in lengths:
        yield start
        start += length
