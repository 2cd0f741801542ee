"""Puts the writes of one batch into the flat parameters of the SQL function `append`."""

from collections.abc import Iterable, Sequence
from datetime import timedelta
from itertools import accumulate
from typing import Any

from producers.store import Guard, NewEvent, Part, Write
from producers.store.hashing import SEPARATOR


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


class _Streams:
    """The streams of a batch in the order of their ordinals (from 1), by columns."""

    def __init__(self) -> None:
        self.ordinals: dict[str, int] = {}
        self.versions: list[int] = []
        self.hashes: list[bytes] = []
        self.keys: list[str] = []
        self.lasts: list[int] = []
        self.finals: list[int] = []

    def ordinal(self, part: Write | Part) -> int:
        """The ordinal of the part's stream. Raises ValueError when the part does not build on those before it."""
        found = self.ordinals.get(part.stream)
        if found is None:
            found = self.ordinals[part.stream] = len(self.ordinals) + 1
            self.versions.append(part.version)
            self.hashes.append(part.hash)
            self.keys.append(part.partition_key)
            self.lasts.append(0)
            self.finals.append(part.version)
        elif self.finals[found - 1] != part.version:
            raise ValueError(f"the writes of the batch on stream {part.stream} do not build on each other")
        return found

    def add(self, ordinal: int, part: Write | Part, upto: int) -> tuple[int, int]:
        """Note the part's events, the last of which is event `upto`; answers version and ordinal of those before."""
        version, last = self.finals[ordinal - 1], self.lasts[ordinal - 1]
        self.finals[ordinal - 1] = version + len(part.events)
        self.lasts[ordinal - 1] = upto
        self.keys[ordinal - 1] = part.partition_key
        return version, last


def parameters(domain: str, lateness: timedelta, writes: Sequence[Write]) -> dict[str, Any]:
    """The parameters of `append.sql`. Raises ValueError when writes on one stream do not build on each other."""
    streams = _Streams()
    parts: list[tuple[int, int, int]] = []
    places: list[tuple[int, int, int, int, int]] = []  # stream, command, number, version, the event before it
    events: list[NewEvent] = []
    ends: list[int] = []
    for command, write in enumerate(writes, 1):
        number = 0
        for part in write.parts:
            stream = streams.ordinal(part)
            parts.append((command, stream, len(part.events)))
            if not part.events:
                continue
            events += part.events
            version, before = streams.add(stream, part, len(events))
            for upto in range(len(events) - len(part.events) + 1, len(events) + 1):
                number, version = number + 1, version + 1
                places.append((stream, command, number, version, before))
                before = upto
        ends.append(len(events))
    lengths = [len(event.data) for event in events]
    part_commands, part_streams, part_events = _columns(parts, 3)
    event_streams, event_commands, event_numbers, event_versions, event_befores = _columns(places, 5)
    return {
        "domain": domain,
        "lateness": lateness,
        "stream_names": _texts(streams.ordinals),
        "stream_versions": _numbers(streams.versions),
        "stream_hashes": _bytes(streams.hashes),
        "stream_keys": _texts(streams.keys),
        "stream_lasts": _numbers(streams.lasts),
        "stream_finals": _numbers(streams.finals),
        "command_ids": _texts([write.command for write in writes]),
        "command_fingerprints": _bytes([write.fingerprint for write in writes]),
        "command_events": _numbers([write.amount for write in writes]),
        "command_ends": _numbers(ends),
        "command_versions": _numbers([write.version + len(write.events) for write in writes]),
        "command_correlations": _optional([write.correlation for write in writes]),
        "command_traceparents": _optional([write.traceparent for write in writes]),
        "part_commands": _numbers(part_commands),
        "part_streams": _numbers(part_streams),
        "part_events": _numbers(part_events),
        **_guards(writes),
        "event_streams": _numbers(event_streams),
        "event_commands": _numbers(event_commands),
        "event_numbers": _numbers(event_numbers),
        "event_types": _texts([event.type for event in events]),
        "event_versions": _numbers(event_versions),
        "event_befores": _numbers(event_befores),
        "event_times": _numbers([event.happened for event in events]),
        "event_latest": _numbers(accumulate([event.happened for event in events], max)),
        "event_starts": _numbers(accumulate(lengths[:-1], initial=1) if lengths else ()),
        "event_lengths": _numbers(lengths),
        "event_hashes": _bytes([event.hash for event in events]),
        "event_data": Literal(b"".join([event.data for event in events])),
    }


def _columns(rows: list[Any], width: int) -> Iterable[Sequence[Any]]:
    return zip(*rows, strict=True) if rows else [()] * width


def _guards(writes: Sequence[Write]) -> dict[str, Any]:
    guards = [(command, guard) for command, write in enumerate(writes, 1) for guard in write.guards]
    counters = _counters([guard for _, guard in guards])
    return {
        "guard_commands": _numbers([command for command, _ in guards]),
        "guard_kinds": _texts([guard.kind for _, guard in guards]) if guards else None,
        "guard_keys": _texts([guard.key for _, guard in guards]) if guards else None,
        "guard_amounts": _numbers([guard.amount for _, guard in guards]),
        "guard_floors": _numbers([guard.floor for _, guard in guards]),
        "counter_keys": None if counters is None else list(counters),
        "counter_amounts": _numbers([amount for amount, _ in (counters or {}).values()]),
        "counter_least": _numbers([least for _, least in (counters or {}).values()]),
    }


def _counters(guards: list[Guard]) -> dict[str, tuple[int, int]] | None:
    """By counter, by what the batch moves it, and the value from which no guard on it fails.

    None when there are guards of other kinds than claims and counters.
    """
    found: dict[str, tuple[int, int]] = {}
    for guard in guards:
        if guard.kind == "counter":
            moved, least = found.get(guard.key, (0, guard.floor - guard.amount))
            moved += guard.amount
            found[guard.key] = moved, max(least, guard.floor - moved)
        elif guard.kind != "claim":
            return None
    return found


def _texts(values: Iterable[str]) -> Literal:
    return Literal(SEPARATOR.join(values).encode())


def _numbers(values: Iterable[int]) -> Literal:
    # The list's own spelling, in one call, is half as long on its way as joined texts.
    return Literal(b"{" + repr([*values])[1:-1].encode() + b"}")


def _bytes(values: Iterable[bytes]) -> Literal:
    return Literal(b"\\x" + b"".join(values).hex().encode())


def _optional(values: list[str | None]) -> list[str | None] | None:
    return values if any(values) else None
