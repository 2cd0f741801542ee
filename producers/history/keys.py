"""The events of a partition key, from all its streams in the order of their positions, as the relay publishes them."""

from array import array
from collections.abc import Iterator, Sequence

import msgspec
from msgspec import Struct

from producers.relay.records import Rows
from producers.sql import query
from producers.store.chains import Chains, Tip
from producers.store.connections import READER, Connections
from schemas import Domain, HeadraceError

_STREAMS = 1_000
_EVENTS = 1_000
_BYTES = 8_000_000


class KeyEvent(Struct, frozen=True, gc=False):
    """One event of a partition key; `value` is its record's value."""

    id: str
    position: int
    stream: str
    version: int
    value: bytes


class _Envelope(Struct, frozen=True, gc=False):
    id: str
    subject: str
    sequence: int


_envelope = msgspec.json.Decoder(_Envelope).decode


class _Lines(list[bytes]):
    """A file to write to, as the driver wants it."""

    write = list.append


class KeyHistory:
    """Reads events by partition key, in pages and short statements.

    Methods block and raise Unavailable when Postgres does not answer, HeadraceError when its history is damaged.
    """

    def __init__(self, postgres: str, domain: Domain) -> None:
        self._connections = Connections(postgres, 1, READER)
        self._domain = domain
        self._chains = Chains(self._connections, domain)

    def close(self) -> None:
        """Close the connection."""
        self._connections.close()

    def events(self, key: str, after: int, upto: int) -> Iterator[list[KeyEvent]]:
        """The events of a key after one position up to another, in pages."""
        if "\0" in key:
            return  # no name has one, and Postgres would not take it
        places: list[tuple[int, int]] = []
        for stream, tip in self._streams(key):
            if tip.position > after:
                places += [place for place in self._chains.since(stream, tip, after) if place[0] <= upto]
        places.sort()
        for page in _pages(places):
            yield self._read(page)

    def _streams(self, key: str) -> Iterator[tuple[str, Tip]]:
        last = ""
        while True:
            values = {"domain": self._domain.key, "key": key, "after": last, "limit": _STREAMS}
            with self._connections.lend() as connection, connection.cursor() as cursor:
                cursor.execute(query("key_streams"), values)
                found = cursor.fetchall()
            yield from ((stream, Tip(version, position, bytes(hash_))) for stream, version, position, hash_ in found)
            if len(found) < _STREAMS:
                return
            last = found[-1][0]

    def _read(self, positions: "array[int]") -> list[KeyEvent]:
        lines = _Lines()
        with self._connections.lend() as connection, connection.cursor() as cursor:
            values = {"domain": self._domain.key, "positions": positions.tolist()}
            cursor.copy_expert(cursor.mogrify(query("key_read"), values), lines)
        if len(lines) != len(positions):
            raise HeadraceError("events of a partition key are missing: the history was damaged", rule="damaged-stream")
        found = []
        for row in Rows(self._domain).parse(lines):
            envelope = _envelope(row.value)
            found.append(KeyEvent(envelope.id, row.position, envelope.subject, envelope.sequence, row.value))
        return found


def _pages(places: Sequence[tuple[int, int]]) -> Iterator["array[int]"]:
    page, bytes_ = array("q"), 0
    for position, size in places:
        if len(page) >= _EVENTS or (page and bytes_ + size > _BYTES):
            yield page
            page, bytes_ = array("q"), 0
        page.append(position)
        bytes_ += size
    if page:
        yield page
