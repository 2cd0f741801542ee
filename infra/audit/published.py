"""What an events topic holds: every committed record is read once, in order, and summed by ranges of positions."""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec

from infra.audit.digests import LEAF, MODULUS, Digested, Digester, Item, Sum, Sums, columns_of
from infra.audit.findings import Found
from infra.audit.records import Record, Records, mark_of
from producers.relay.records import Row
from producers.relay.routing import Routes
from schemas import CONTROL_KEYS, WATERMARK_KEY, Domain


@dataclass
class Partition:
    """One partition of the topic while it is read."""

    reached: int  # all of the partition up to this position has been read
    next: int  # from here on an audit of later positions reads
    trimmed: bool
    first: int | None = None  # what is read is whole from this position on
    last: int = 0  # position of its last event
    extents: dict[int, tuple[int, int]] = field(default_factory=dict)  # of each range, its first and last offset


class Published:
    """The events topic of a domain, or the topic of a route, after position `after`. Use it as a context manager."""

    def __init__(self, kafka: str, domain: Domain, topic: str, after: int, found: Found) -> None:
        self.name = found.hop
        self._records = Records(kafka, topic, domain.partitions)
        self._digester, self._found = Digester(domain), found
        self.after = after
        self.sums, self.derived = Sums(), Sums()
        self.highest: Digested | None = None  # the event with the highest position beyond what was to be read
        self.routed = {domain.route_topic(route): Sums() for route in domain.routes if topic == domain.events_topic}
        self._routes = Routes(domain, [route.name for route in domain.routes] if self.routed else [])
        self.late: list[Item] = []  # events whose record comes after that of a later position
        self._partitions: dict[int, Partition] = {}

    def __enter__(self) -> "Published":
        return self

    def __exit__(self, *_: object) -> None:
        self._records.__exit__()

    @property
    def upto(self) -> int:
        """Up to which position all partitions have been read."""
        return min(each.reached for each in self._partitions.values())

    def disordered(self, doubled: set[int]) -> None:
        """Note the events whose record comes after that of a later position and that are no copies."""
        for event in self.late:
            if event.position not in doubled:
                what = "the record comes after that of a later position"
                self._found.add(
                    "disordered", what, position=event.position, id=event.id, stream=event.stream, place=event.place
                )

    @property
    def resume(self) -> dict[int, int]:
        """Offsets from which on a later audit reads."""
        return {number: each.next for number, each in self._partitions.items()}

    def read(self, upto: int, starts: Mapping[int, int], seconds: float, done: Callable[[int], None]) -> str:
        """Read up to a position, from these offsets where they are known. Answers what is to be said of its beginning.

        What the topic does not reach is waited for so many seconds.
        """
        bounds = self._records.bounds()
        began = {n: self._start(n, first, end, starts.get(n)) for n, (first, end) in bounds.items()}
        self._partitions = {
            n: Partition(self.after, began[n], first > 0 and began[n] <= first) for n, (first, _) in bounds.items()
        }
        moved = time.monotonic()
        batches = self._records.read(began)
        for records, _ in batches:
            for number, run in records.items():
                self._take(self._partitions[number], number, run, upto)
            moved = time.monotonic() if records else moved
            done(min(self.upto, upto))
            if self.upto >= upto or time.monotonic() - moved > seconds:
                break
        batches.close()
        for total in (*self.sums.values(), *self.derived.values()):
            total.content %= MODULUS
            total.second %= MODULUS
        return self._trimmed(upto)

    def _trimmed(self, upto: int) -> str:
        start = max((each.first or upto + 1 for each in self._partitions.values() if each.trimmed), default=1)
        if start - 1 <= self.after:
            return ""
        self.after = min(start - 1, upto)
        return f"the topic was trimmed: it is whole from position {start} on"

    def _start(self, number: int, first: int, end: int, known: int | None) -> int:
        if known is not None:
            return max(known, first)
        return self._records.offset_after(number, self.after, first, end) if self.after else first

    def _take(self, at: Partition, number: int, run: Iterable[Record], upto: int) -> None:
        for key, value, offset in run:
            if key in CONTROL_KEYS:
                if key == WATERMARK_KEY:
                    at.reached = max(at.reached, mark_of(value))
                    at.first = at.reached + 1 if at.first is None else at.first
                continue
            try:
                event = self._digester.digest(key or b"", value or b"")
            except (msgspec.MsgspecError, ValueError) as error:
                where = f"the record at {self._records.topic}[{number}] offset {offset}"
                self._found.add("extra", f"{where} is no event: {error}", place=(number, offset))
                continue
            at.first = event.position if at.first is None else at.first
            at.reached = max(at.reached, event.position)
            if self.after < event.position <= upto:
                self._sum(at, event, number, offset)
                for routed, item in self._routed(event.position, key or b"", value or b"") if self.routed else ():
                    self.routed[routed][event.position // LEAF].add(Sum(1, 1, item.content, item.wire))
            elif self.highest is None or event.position > self.highest.position:
                self.highest = event

    def _sum(self, at: Partition, event: Digested, number: int, offset: int) -> None:
        leaf, at.next = event.position // LEAF, offset + 1
        at.extents[leaf] = (at.extents.get(leaf, (offset,))[0], offset)
        total = self.sums[leaf]
        total.count += 1
        total.distinct += 1
        total.content += event.content
        total.second += event.wire
        if event.derived is not None:
            total = self.derived[leaf]
            total.count += 1
            total.second += event.derived
        if event.position < at.last:
            self.late.append(event.item((number, offset)))
        at.last = max(at.last, event.position)

    def items(self, after: int, upto: int) -> list[Item]:
        """The events between two positions of one range, one by one."""
        return [event.item((number, record[2])) for event, number, record in self._digested(after, upto)]

    def routed_items(self, topic: str, after: int, upto: int) -> list[Item]:
        """The events between two positions of one range as they are to be on the topic of a route."""
        return [
            item.item()
            for event, _, (key, value, _) in self._digested(after, upto)
            for routed, item in self._routed(event.position, key or b"", value or b"")
            if routed == topic
        ]

    def _routed(self, position: int, key: bytes, value: bytes) -> Iterator[tuple[str, Digested]]:
        for routed in self._routes.of([Row(position, None, b"", b"", key, value)]):
            yield routed.topic, self._digester.digest(routed.key, routed.value)

    def columns(self, position: int) -> dict[str, Any]:
        """The event at a position with all its columns, from its first record; empty when there is none."""
        found = next((record for _, _, record in self._digested(position - 1, position)), None)
        return {} if found is None else columns_of(found[0] or b"", found[1] or b"")

    def _digested(self, after: int, upto: int) -> Iterable[tuple[Digested, int, Record]]:
        leaf = upto // LEAF
        extents = {n: each.extents[leaf] for n, each in self._partitions.items() if leaf in each.extents}
        for number, record in self._records.between(extents):
            key, value, _ = record
            if key in CONTROL_KEYS:
                continue
            try:
                event = self._digester.digest(key or b"", value or b"")
            except (msgspec.MsgspecError, ValueError):
                continue
            if after < event.position <= upto:
                yield event, number, record
