"""Tries what makes hash and digest right again: that is what was altered."""

from collections import Counter
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from producers.proof.reader import Point, Reader, Row
from producers.store.hashing import NO_HASH, append_digest, event_hash, event_id
from schemas import Domain


@dataclass(frozen=True)
class Append:
    """The events of one append after a point; `first` is the position of the first one, when it is not its own."""

    before: Point
    rows: list[Row]
    first: int = 0

    def right(self) -> bytes:
        """The digest after it."""
        first, hashes = self.first or self.rows[0].position, [row.hash for row in self.rows]
        return append_digest(
            self.before.digest, first, self.rows[-1].time, hashes, [row.watermark for row in self.rows]
        )

    def is_right(self) -> bool:
        """Whether its last event has that digest, and all have one time after the last append's."""
        if not self.rows or {row.time for row in self.rows} != {self.rows[-1].time}:
            return False
        return self.rows[-1].time > self.before.time and self.rows[-1].digest == self.right()

    def row_is_right(self, row: Row) -> bool:
        """Whether the row has the hash of its content, and continues its stream."""
        if row.mistyped or row.hash != row.right:
            return False
        if row.before is None:
            return row.previous == 0 and row.version == 1
        return row.before[:3] == (row.stream, row.version - 1, row.key) and row.previous < row.position

    def without(self, row: Row) -> "Append":
        """The append without one of its rows, at the same first position."""
        return replace(self, rows=[r for r in self.rows if r is not row], first=self.rows[0].position)

    def with_hash(self, row: Row, hash_: bytes) -> "Append":
        """The append with another hash of one row."""
        return replace(self, rows=[r._replace(hash=hash_) if r is row else r for r in self.rows])

    def odd_watermark(self, before: datetime | None, lateness: timedelta) -> Row | None:
        """A row with which all is right once it has the watermark of a neighbour, or that of its own time.

        `before` is the watermark of the event before the append.
        """
        for n, row in enumerate(self.rows):
            near = [r.watermark for r in self.rows[max(n - 1, 0) : n + 2] if r is not row]
            for watermark in (*near, before, row.time - lateness):
                if watermark is None:
                    continue
                rows = [*self.rows[:n], row._replace(watermark=watermark), *self.rows[n + 1 :]]
                if replace(self, rows=rows).is_right():
                    return row
        return None

    def parts(self) -> "tuple[Append, Append] | None":
        """The two appends that this is, by the times of its events, each after the right digest of the one before."""
        end = next((n for n, row in enumerate(self.rows) if row.time != self.rows[0].time), None)
        if end is None:
            return None
        one = Append(self.before, self.rows[:end])
        return one, Append(Point(one.rows[-1].position, one.right(), one.rows[-1].time), self.rows[end:])

    def odd_time(self) -> Row | None:
        """A row whose time is not that of most, or of the last one when most have none in common."""
        times = Counter(row.time for row in self.rows)
        common: datetime = times.most_common(1)[0][0]
        return next((row for row in self.rows if row.time != common), None)


def broken(row: Row) -> str:
    """The column in which a row with a right hash does not continue its stream."""
    stream, version, key = row.before[:3] if row.before else (row.stream, 0, row.key)
    if row.version != version + 1:
        return "version"
    if row.stream != stream:
        return "stream"
    return "partition_key" if row.key != key else "previous"


def restored(domain: Domain, reader: Reader, row: Row) -> str | None:
    """The column that was altered: the one whose value, taken from what else is stored, makes the hash right."""
    found = reader.ask("proof_neighbours", position=row.position, stream=row.stream)
    data, command, command_number, stream, version, key, hash_, own, correlation, traceparent = found or (
        b"",
        *[None] * 9,
    )
    tries: list[tuple[str, dict[str, Any]]] = []
    before = row.before
    if before:
        tries += [("stream", {"stream": before[0]}), ("version", {"version": before[1] + 1})]
        tries += [("partition_key", {"key": before[2]})]
    if stream is not None:
        tries += [("stream", {"stream": stream}), ("version", {"version": version}), ("partition_key", {"key": key})]
    if command is not None:
        tries += [("command", {"command": command}), ("number", {"number": command_number})]
        tries += [("command and number", {"command": command, "number": command_number})]
    tries += [("correlation", {"correlation": value}) for value in (correlation, None)]
    tries += [("traceparent", {"traceparent": value}) for value in (traceparent, None)]
    if hash_ is not None:
        tries += [("previous", {"previous": bytes(hash_)})]
    tries += [("previous", {"previous": NO_HASH}), ("version", {"version": 1})]
    if own is not None:
        tries += [("partition_key", {"key": own})]
    return next((name for name, values in tries if _hash(domain, row, bytes(data), values) == row.hash), None)


def _hash(domain: Domain, row: Row, data: bytes, values: dict[str, Any]) -> bytes:
    content: dict[str, Any] = {
        "previous": row.before[3] if row.before else NO_HASH,
        "stream": row.stream,
        "version": row.version,
        "command": row.command,
        "number": row.number,
        "key": row.key,
        "correlation": row.correlation,
        "traceparent": row.traceparent,
        **values,
    }
    event = event_id(content["command"], content["number"])
    return event_hash(
        content["previous"],
        domain.key,
        content["stream"],
        content["version"],
        event,
        content["key"],
        data,
        content["correlation"],
        content["traceparent"],
    )
