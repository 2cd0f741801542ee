"""Archives a domain's events from Postgres, and verifies what is archived."""

from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from msgspec import Struct

from producers.history.columns import Columns
from producers.proof.columns import Chain, Events
from producers.relay.partitioner import partition_of
from producers.store.hashing import NO_HASH
from schemas import Busy, Domain, Fatal
from sinks.archive.location import Location
from sinks.archive.reading import Archive
from sinks.archive.segments import Segment
from sinks.archive.writing import EVENTS, Archiver

# Called with the position that is done and the one that it will be in the end.
Show = Callable[[int, int], None]


class Outcome(Struct, frozen=True, kw_only=True):
    """How far a domain is archived, and the segments that a run added."""

    domain: str
    position: int
    digest: str
    added: list[Segment]


class Verified(Struct, frozen=True, kw_only=True):
    """The archive of a domain is good up to `position`, where the rolling digest is `digest`."""

    domain: str
    position: int
    digest: str
    segments: int
    bytes: int


def archive(
    postgres: str,
    domain: Domain,
    location: Location,
    until: int | date | None = None,
    show: Show = lambda *_: None,
    events: int = EVENTS,
) -> Outcome:
    """Archive what is not archived yet, up to a position or through a day (UTC), of whole appends.

    Raises Busy when another process archives the domain, Fatal when the database does not continue what is archived
    or misses events, Unavailable when a server does not answer. What was archived by then stays.
    """
    with Columns(postgres, domain) as source:
        if not source.lead():
            raise Busy(f"another process archives {domain.key} just now", rule="archived-elsewhere", retry_after=10)
        archiver = Archiver(location, domain, partition_of, events)
        upto, head = _end(source, until), source.end(position=_ALL)
        if head < archiver.end:
            raise Fatal(
                f"the database ends at position {head} of {domain.key}, the archive at {archiver.end}: an older "
                "database was restored, or another one. Nothing is archived",
                rule="history-differs",
            )
        chain, added = Chain(domain, archiver.digest or NO_HASH, archiver.end), list[Segment]()
        if upto > archiver.end:
            pages = _shown(source.pages(archiver.end, upto), archiver.end, upto, show)
            added.extend(archiver.archive(pages, chain))
        return Outcome(domain=domain.key, position=archiver.end, digest=archiver.digest.hex(), added=added)


def verify(domain: Domain, location: Location, show: Show = lambda *_: None) -> Verified:
    """Read the archive of a domain as a whole: that each file is the one that was written, that it has every position
    once, that every event's hash and every append's digest is right.

    Raises Fatal at the first thing that is wrong.
    """
    found, chain, hashes = Archive(location, domain), Chain(domain), Events(domain)
    for segment in found.segments:
        found.check(segment)
        for page in found.pages(segment.first - 1, segment.last):
            hashes.add(page)
            chain.add(page)
            show(chain.position, found.end)
        if chain.digest.hex() != segment.digest:
            raise Fatal(
                f"the manifest of {segment.path} says another digest than its events give: {segment.digest}",
                rule="history-differs",
            )
    size = sum(segment.bytes for segment in found.segments)
    return Verified(
        domain=domain.key,
        position=found.end,
        digest=chain.digest.hex() if found.end else "",
        segments=len(found.segments),
        bytes=size,
    )


_ALL = 2**63 - 1


def _end(source: Columns, until: int | date | None) -> int:
    if isinstance(until, date):
        return source.end(before=datetime.combine(until + timedelta(days=1), time(), UTC))
    return source.end(position=_ALL if until is None else until)


def _shown(pages: Any, done: int, upto: int, show: Show) -> Any:
    show(done, upto)
    for page in pages:
        yield page
        done += page.num_rows
        show(done, upto)
