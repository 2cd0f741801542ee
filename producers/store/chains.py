"""Reads the events of one stream in pages, however long it is.

A stream is a chain: each event names the position of the one before it. A first pass walks it back and keeps twelve
bytes an event, a second one reads the events themselves in their order. Both go page by page in short statements.
"""

from array import array
from collections.abc import Iterator
from datetime import datetime
from itertools import takewhile

from msgspec import Struct

from producers.sql import query
from producers.store import Recorded
from producers.store.connections import Lender
from schemas import Domain, HeadraceError

_STEPS = 5_000
_MARKED = 1_000
_MARKED_STREAMS = 1_000
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


class _Marks:
    """Positions of every thousandth version of the streams that were walked last: whoever pages through a long stream
    does not walk it from its end for each page.
    """

    def __init__(self) -> None:
        self._streams: dict[str, dict[int, int]] = {}

    def note(self, stream: str, version: int, position: int) -> None:
        """Remember where a version lies, when it is one of those."""
        if version % _MARKED == 0:
            if stream not in self._streams and len(self._streams) >= _MARKED_STREAMS:
                self._streams.clear()
            self._streams.setdefault(stream, {})[version] = position

    def above(self, stream: str, version: int) -> tuple[int, int] | None:
        """The nearest known version from `version` on, and its position."""
        found = -(-version // _MARKED) * _MARKED
        position = self._streams.get(stream, {}).get(found)
        return None if position is None else (found, position)

    def forget(self, stream: str) -> None:
        """Forget a stream."""
        self._streams.pop(stream, None)


class Chains:
    """Reads streams of one domain. Every method blocks and raises Unavailable when Postgres does not answer."""

    def __init__(self, connections: Lender, domain: Domain) -> None:
        self._connections = connections
        self._domain = domain
        self._marks = _Marks()

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
        last = tip.version if to is None else min(to, tip.version)
        start = self._marks.above(stream, last)
        if start is not None:
            try:
                return self._span(stream, start, after, last)
            except HeadraceError:
                # The mark may be of a history that another one was restored over: the chain itself decides.
                self._marks.forget(stream)
        return self._span(stream, (tip.version, tip.position), after, last)

    def _span(self, stream: str, start: tuple[int, int], after: int, last: int) -> Span:
        span = Span(stream, after)
        for version, position, _, size in self._back(stream, start, after):
            if version <= last:
                span.positions.append(position)
                span.sizes.append(size)
        span.positions.reverse()
        span.sizes.reverse()
        return span

    def since(self, stream: str, tip: Tip, position: int) -> list[tuple[int, int]]:
        """Where the events after a position lie: positions and sizes in bytes, newest first."""
        steps = self._back(stream, (tip.version, tip.position), 0)
        return [(place, size) for _, place, _, size in takewhile(lambda step: step[1] > position, steps)]

    def version_at(self, stream: str, tip: Tip, instant: datetime) -> int:
        """The version of the stream's last event that was appended by the instant; 0 when there is none."""
        steps = self._back(stream, (tip.version, tip.position), 0)
        return next((version for version, _, time, _ in steps if time <= instant), 0)

    def read(self, span: Span) -> Iterator[Recorded]:
        """The events of a span, oldest first, read page by page."""
        for start, end in span.pages():
            yield from self._events(span.positions[start:end])

    def _back(self, stream: str, start: tuple[int, int], after: int) -> Iterator[tuple[int, int, datetime, int]]:
        """Version, position, time and size of the events from `start` (version and position) back to the one after
        a version, newest first."""
        version, position = start
        while version > after:
            stop = max(version - _STEPS, after)
            for number, place, previous, time, size in self._walk(stream, position, version, stop + 1):
                self._marks.note(stream, number, place)
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
