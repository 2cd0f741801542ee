"""Reads the events of one stream in pages, however long it is.

A stream is a chain: each event names the position of the one before it. A first pass walks it back and keeps twelve
bytes an event, a second one reads the events themselves in their order. Both go page by page in short statements.
"""

from array import array
from collections.abc import Iterator
from datetime import datetime

from msgspec import Struct

from producers.connections import Lender
from producers.sql import query
from producers.store import Recorded
from schemas import Domain, HeadraceError

_STEPS = 5_000
_PAGE_EVENTS = 1_000
_PAGE_BYTES = 8_000_000


class Tip(Struct, frozen=True):
    """Where a stream ends: its version, and position and hash of its last event."""

    version: int
    position: int
    hash: bytes


class Span:
    """Where the events of a stream lie, for the versions after `after`: positions and sizes in bytes, oldest first."""

    def __init__(self, stream: str, after: int) -> None:
        self.stream = stream
        self.after = after
        self.positions = array("q")
        self.sizes = array("i")

    @property
    def last(self) -> int:
        """The last version."""
        return self.after + len(self.positions)

    def pages(self) -> Iterator[tuple[int, int]]:
        """Cut into pages that fit into memory, as indexes from and to."""
        start = size = 0
        for index, more in enumerate(self.sizes):
            if index - start >= _PAGE_EVENTS or (size + more > _PAGE_BYTES and index > start):
                yield start, index
                start, size = index, 0
            size += more
        if start < len(self.sizes):
            yield start, len(self.sizes)


class Chains:
    """Reads streams of one domain. Every method blocks and raises Unavailable when Postgres does not answer."""

    def __init__(self, connections: Lender, domain: Domain) -> None:
        self._connections = connections
        self._domain = domain

    def tip(self, stream: str) -> Tip | None:
        """Where the stream ends; None when there is no such stream."""
        with self._connections.lend() as connection, connection.cursor() as cursor:
            cursor.execute(query("stream_tip"), {"domain": self._domain.key, "stream": stream})
            row = cursor.fetchone()
        return Tip(row[0], row[1], bytes(row[2])) if row else None

    def span(self, stream: str, tip: Tip, *, after: int = 0, to: int | None = None) -> Span:
        """Where the events after version `after` lie: all of them, or those up to version `to`.

        Raises HeadraceError when one of them is missing.
        """
        span = Span(stream, after)
        for version, position, _, size in self._back(stream, tip, after):
            if to is None or version <= to:
                span.positions.append(position)
                span.sizes.append(size)
        span.positions.reverse()
        span.sizes.reverse()
        return span

    def version_at(self, stream: str, tip: Tip, instant: datetime) -> int:
        """The version of the stream's last event that was appended by the instant; 0 when there is none."""
        return next((version for version, _, time, _ in self._back(stream, tip, 0) if time <= instant), 0)

    def read(self, span: Span) -> Iterator[Recorded]:
        """The events of a span, oldest first, read page by page."""
        for start, end in span.pages():
            yield from self._events(span.positions[start:end])

    def _back(self, stream: str, tip: Tip, after: int) -> Iterator[tuple[int, int, datetime, int]]:
        """Version, position, time and size of the events after a version, newest first."""
        version, position = tip.version, tip.position
        while version > after:
            stop = max(version - _STEPS, after)
            for number, place, previous, time, size in self._walk(stream, position, version, stop + 1):
                yield number, place, time, size
                version, position = number - 1, previous
            if version > stop:
                raise HeadraceError(
                    f"version {version} of stream {stream} is not where it belongs: the history was damaged",
                    rule="damaged-stream",
                )

    def _walk(self, stream: str, position: int, version: int, until: int) -> list[tuple[int, int, int, datetime, int]]:
        values = {"stream": stream, "position": position, "version": version, "until": until}
        with self._connections.lend() as connection, connection.cursor() as cursor:
            cursor.execute(query("stream_walk"), {"domain": self._domain.key, **values})
            return cursor.fetchall()

    def _events(self, positions: "array[int]") -> list[Recorded]:
        with self._connections.lend() as connection, connection.cursor() as cursor:
            cursor.execute(query("stream_read"), {"domain": self._domain.key, "positions": positions.tolist()})
            return [
                Recorded(version, position, event, kind, time, bytes(digest), bytes(data))
                for version, position, event, kind, time, digest, data in cursor
            ]
