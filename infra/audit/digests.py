"""Digests of events, by event and by range: the same from Postgres' SQL, ClickHouse's SQL and a record of Kafka.

An event has three digests, each the first 8 bytes of a SHA-256 as a big-endian number:

    content = SHA-256(position 1F id 1F stream 1F version 1F partition key 1F append time 1F correlation 1F causation
                      1F hash in hex 1F || stored data)
    wire    = SHA-256(type 1F watermark 1F traceparent 1F || content, 32 bytes)
    derived = SHA-256(type as loaded 1F event time 1F length of the stored data where it is of an older shape, else 0 1F
                      || data in today's shape)

with the append time and the watermark in microseconds since 2000, the event time in microseconds since 1970. Postgres
and Kafka have content and wire, ClickHouse has content and derived. A range's digest is the sum of its events', modulo
2^64, with their count: a lost, doubled or altered event changes it.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any

import msgspec

from schemas import Domain, current_decoder

LEAF = 1024
MODULUS = 1 << 64
_EPOCH_1970, _EPOCH_2000 = datetime(1970, 1, 1, tzinfo=UTC), datetime(2000, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


class Sum:
    """The digests of one range: how many events, how many different ones, and the sums."""

    __slots__ = ("content", "count", "distinct", "second")

    def __init__(self, count: int = 0, distinct: int = 0, content: int = 0, second: int = 0) -> None:
        self.count, self.distinct, self.content, self.second = count, distinct, content, second

    def add(self, other: "Sum") -> None:
        """Take another range's digests in."""
        self.count += other.count
        self.distinct += other.distinct
        self.content = (self.content + other.content) % MODULUS
        self.second = (self.second + other.second) % MODULUS


class Sums(dict[int, Sum]):
    """Digests of ranges, by the range's number: it has the positions from `number * LEAF` on."""

    def __missing__(self, leaf: int) -> Sum:
        made = self[leaf] = Sum()
        return made

    @property
    def count(self) -> int:
        """How many events all ranges have."""
        return sum(each.count for each in self.values())

    @property
    def distinct(self) -> int:
        """How many different events all ranges have."""
        return sum(each.distinct for each in self.values())


@dataclass(frozen=True, slots=True)
class Item:
    """One event by its names and digests. `second` is the wire digest, or the derived one where it was loaded; None is
    one that is not known. `place` is its record's partition and offset."""

    position: int
    id: str
    stream: str
    content: int
    second: int | None
    place: tuple[int, int] | None = None


class _Envelope(msgspec.Struct, frozen=True, gc=False):
    """Of a record what the digests need, times as they are written."""

    position: int
    id: str
    type: str
    subject: str
    time: str
    sequence: int
    partitionkey: str
    hash: str
    correlationid: str
    data: msgspec.Raw
    watermark: str = ""
    causationid: str = ""
    traceparent: str = ""


_decode = msgspec.json.Decoder(_Envelope).decode


@dataclass(frozen=True, slots=True)
class Digested:
    """The digests of one record. `derived` is None where today's code cannot read the event."""

    position: int
    id: str
    stream: str
    content: int
    wire: int
    derived: int | None

    def item(self, place: tuple[int, int] | None = None) -> Item:
        """The event as its record has it, which is at a place."""
        return Item(self.position, self.id, self.stream, self.content, self.wire, place)


def columns_of(key: bytes, value: bytes) -> dict[str, Any]:
    """A record's columns by their names in Postgres. Raises msgspec.MsgspecError for one that is no event."""
    e = _decode(value)
    return {
        "position": e.position,
        "id": e.id,
        "type": e.type,
        "stream": e.subject,
        "version": e.sequence,
        "partition_key": key.decode(errors="replace"),
        "time": datetime.fromisoformat(e.time),
        "watermark": datetime.fromisoformat(e.watermark) if e.watermark else None,
        "correlation_id": e.correlationid,
        "causation_id": e.causationid,
        "traceparent": e.traceparent,
        "hash": e.hash,
        "data": bytes(e.data),
    }


class Digester:
    """Digests the records of a domain's events."""

    def __init__(self, domain: Domain) -> None:
        self._current, self._event_time = current_decoder(domain), domain.event_time
        self._instants: dict[str, int] = {"": 0}

    def digest(self, key: bytes, value: bytes) -> Digested:
        """The digests of one record. Raises msgspec.MsgspecError for one that is no event."""
        e = _decode(value)
        data = bytes(e.data)
        digest = sha256(
            b"%d\x1f%b\x1f%b\x1f%d\x1f%b\x1f%d\x1f%b\x1f%b\x1f%b\x1f%b"
            % (
                e.position, e.id.encode(), e.subject.encode(), e.sequence, key, self._instant(e.time),
                e.correlationid.encode(), e.causationid.encode(), e.hash.encode(), data,
            )
        ).digest()  # fmt: skip
        context = f"{e.type}\x1f{self._instant(e.watermark)}\x1f{e.traceparent}\x1f"
        wire = sha256(context.encode() + digest).digest()
        return Digested(e.position, e.id, e.subject, number(digest), number(wire), self.derived(data))

    def derived(self, data: bytes) -> int | None:
        """The derived digest of stored data; None where today's code cannot read it."""
        loaded = self.loaded(data)
        if loaded is None:
            return None
        kind, at, today = loaded
        time = (at - _EPOCH_1970) // _MICROSECOND
        older = 0 if today is data else len(data)
        return number(sha256(b"%b\x1f%d\x1f%d\x1f%b" % (kind.encode(), time, older, today)).digest())

    def loaded(self, data: bytes) -> tuple[str, datetime, bytes] | None:
        """Type, event time and data as stored data are loaded; None where today's code cannot read it."""
        try:
            event, today = self._current(data)
            return type(event).__name__, self._event_time(event), today
        except Exception:  # whatever it is that today's code makes of it
            return None

    def _instant(self, text: str) -> int:
        found = self._instants.get(text)
        if found is None:
            if len(self._instants) > 100_000:
                self._instants = {"": 0}
            found = self._instants[text] = (datetime.fromisoformat(text) - _EPOCH_2000) // _MICROSECOND
        return found


def number(digest: bytes) -> int:
    """The first 8 bytes of a digest as a number."""
    return int.from_bytes(digest[:8])


def suspects(
    reference: Mapping[int, Sum], found: Mapping[int, Sum], after: int, upto: int, full: tuple[int, int]
) -> Iterable[int]:
    """Ranges to look into between two positions: those that differ, and those of which only a part is in both.

    `full` are the positions after which, and up to which, the reference was summed.
    """
    for leaf in range((after + 1) // LEAF, upto // LEAF + 1) if upto > after else ():
        first, last = max(leaf * LEAF, 1), leaf * LEAF + LEAF - 1
        cut = max(first, full[0] + 1) < after + 1 or min(last, full[1]) > upto
        one, other = reference.get(leaf, _NONE), found.get(leaf, _NONE)
        same = (one.count, one.content, one.second) == (other.count, other.content, other.second)
        if cut or not same or other.count != other.distinct:
            yield leaf


_NONE = Sum()


def summed(rows: Iterable[tuple[Any, ...]], into: Sums) -> None:
    """Take rows of range number, count, distinct and the two sums into ranges."""
    for leaf, count, distinct, content, second in rows:
        into[leaf].add(Sum(count, distinct, int(content or 0) % MODULUS, int(second or 0) % MODULUS))
