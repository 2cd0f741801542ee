"""What the archive holds of a domain's events: each file as it was written, its events summed by ranges."""

from collections.abc import Callable, Iterator
from typing import Any

from infra.audit.digests import LEAF, Digested, Digester, Item, Sum, Sums, columns_of
from infra.audit.findings import Found, Kind
from producers.relay.columns import record_values
from schemas import Domain, Fatal
from sinks.archive.location import Location
from sinks.archive.reading import Archive
from sinks.archive.segments import Segment

# Positions after the first of them up to the second.
Span = tuple[int, int]


class Archived:
    """The archive of a domain after one position, up to another, as it was when this object was made.

    `sums` are the digests of what its good files hold (`derived`: those of the table's columns) and `spans` where these
    are; `found` gets each file that is missing or was altered. Raises Unavailable when the store does not answer.
    """

    name = "archive"

    def __init__(
        self, domain: Domain, url: str, after: int, upto: int, found: Found, done: Callable[[int], None]
    ) -> None:
        self._domain, self._digester, self._found = domain, Digester(domain), found
        self.sums, self.derived, self.spans, self.end = Sums(), Sums(), list[Span](), 0
        try:
            self._archive: Archive | None = Archive(Location(url), domain)
        except Fatal as error:  # the manifests themselves: what the files hold cannot be told
            self._archive = None
            found.add("altered", error.detail)
            return
        self.end = self._archive.end
        for segment in self._archive.segments:
            if segment.last > after and segment.first <= upto:
                self._read(segment, max(segment.first - 1, after), min(segment.last, upto))
                done(min(segment.last, upto))

    def _read(self, segment: Segment, after: int, upto: int) -> None:
        sums, derived = Sums(), Sums()
        try:
            self._archive_there.check(segment)
            for event, _, _ in self._events(after, upto):
                sums[event.position // LEAF].add(Sum(1, 1, event.content, event.wire))
                derived[event.position // LEAF].add(Sum(1, 1, 0, event.derived or 0))
        except Fatal as error:
            kind: Kind = "missing" if error.rule == "archive-incomplete" else "altered"
            what = f"{error.detail}; it has the positions {segment.first} to {segment.last}"
            self._found.add(kind, what, position=segment.first)
            return
        for leaf, total in sums.items():
            self.sums[leaf].add(total)
            self.derived[leaf].add(derived[leaf])
        if self.spans and self.spans[-1][1] == after:
            after = self.spans.pop()[0]
        self.spans.append((after, upto))

    @property
    def _archive_there(self) -> Archive:
        assert self._archive is not None
        return self._archive

    def items(self, after: int, upto: int) -> list[Item]:
        """The events between two positions one by one, of good files alone."""
        return [event.item() for event, _, _ in self._good(after, upto)]

    def rows(self, after: int, upto: int) -> Iterator[dict[str, Any]]:
        """The events between two positions with all their columns, of good files alone."""
        return (columns_of(key, value) for _, key, value in self._good(after, upto))

    def _good(self, after: int, upto: int) -> Iterator[tuple[Digested, bytes, bytes]]:
        for first, last in self.spans:
            if max(first, after) < min(last, upto):
                yield from self._events(max(first, after), min(last, upto))

    def _events(self, after: int, upto: int) -> Iterator[tuple[Digested, bytes, bytes]]:
        for page in self._archive_there.pages(after, upto):
            for key, value in zip(page["partition_key"].to_pylist(), record_values(self._domain, page), strict=True):
                yield self._digester.digest(key.encode(), value), key.encode(), value
