"""Verifies the history of one domain: every event, stream, remembered answer and skip, the head, checkpoints."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial

from producers.proof.checkpoints import Checkpoint, check_skips, compare
from producers.proof.diagnosis import Diagnosis
from producers.proof.findings import Finding, Report
from producers.proof.paging import Pages
from producers.proof.reader import Point, Reader
from schemas import Domain, NotFound

Show = Callable[[str, int, int | None], None]


@dataclass
class Verification:
    """One run over a domain. `good` is the position up to which everything was found good so far.

    `show(phase, done, total)` hears of progress; phases are `events`, `streams` and `commands`.
    """

    domain: Domain
    reader: Reader
    show: Show = lambda _phase, _done, _total: None
    good: int = 0
    head: int = 0
    since: int = 0
    forgotten: int = 0
    expected: int = 0
    counts: dict[str, int] = field(default_factory=lambda: {"events": 0, "streams": 0, "commands": 0, "skips": 0})

    def run(self, since: int = 0, checkpoints: Sequence[Checkpoint] = ()) -> Report:
        """Verify all events after the append that `since` falls into, and what depends on them."""
        began = time.monotonic()
        head, last = self._take_head()
        start = self.reader.start(since) if since else Point()
        self.since = self.good = start.position
        self.forgotten = self.reader.forgotten()
        finding = self._events(start)
        if not finding or (head and (finding.position or 0) > head.position):
            finding = self._head(head, last) or finding
        if not finding:
            finding = self._streams() or self._commands() or self._remembered()
        skips = self.reader.skips()
        self.counts["skips"] = len(skips)
        found = [*([finding] if finding else []), *compare(self.reader, checkpoints)]
        found += check_skips(skips, checkpoints, self.domain.key)
        return self._report(began, found, len(checkpoints))

    def run_stream(self, stream: str) -> Report:
        """Verify one stream, from its last event back to its first. Raises NotFound when there is nothing of it."""
        began = time.monotonic()
        self._take_head()
        finding = self._stream(stream)
        return self._report(began, [finding] if finding else [])

    def _take_head(self) -> tuple[Point | None, Point | None]:
        points = self.reader.head()
        self.head = max(point.position if point else 0 for point in points)
        return points

    def _report(self, began: float, findings: list[Finding], checkpoints: int = 0) -> Report:
        return Report(
            domain=self.domain.key,
            head=self.head,
            since=self.since,
            good=self.good,
            checkpoints=checkpoints,
            seconds=round(time.monotonic() - began, 3),
            findings=tuple(findings),
            **self.counts,
        )

    def _stream(self, stream: str) -> Finding | None:
        found = self.reader.stream_row(stream)
        if found is None and self.reader.ask("proof_stream_last", stream=stream) is None:
            raise NotFound(f"there is no stream {stream} in {self.domain.key}", rule="unknown-stream", field="stream")
        version, end, sound = found or (0, 0, False)
        if not sound:
            return Diagnosis(self.domain, self.reader, Point(), self.head).of_stream(stream)
        pages, position, bad = Pages(), end, None
        while position:
            events, first, before, worse = pages.timed(partial(self.reader.check_chain, stream), position)
            bad = worse if worse is not None else bad
            if not events:
                bad = position
                break
            self.counts["events"] += events
            self.show("events", min(self.counts["events"], version), version)
            position = before if before < first else 0
        if bad is not None:
            return Diagnosis(self.domain, self.reader, self.reader.start(bad - 1), self.head).finding()
        self.good, self.counts["streams"] = end, 1
        return None

    def _events(self, good: Point) -> Finding | None:
        pages, total = Pages(), self.head - good.position
        check = partial(self.reader.check_events, forgotten=self.forgotten)
        while good.position < self.head:
            before, asked = good, pages.size
            page = pages.timed(check, before)
            unended = page.end is None and before.position + asked >= self.head
            if page.bad or page.bad_append or not page.events or unended:
                return Diagnosis(self.domain, self.reader, good, self.head).finding()
            if page.end is None:
                pages.size = asked * 4  # an append larger than a page
                continue
            good = page.end
            self.counts["events"] += good.position - before.position
            self.good = good.position
            self.expected += page.commands
            self.show("events", min(self.counts["events"], total), total)
        return None

    def _head(self, head: Point | None, last: Point | None) -> Finding | None:
        """The head row against the last event."""
        if head == last or (last is None and head is not None and head == Point(time=head.time)):
            return None
        return Diagnosis(self.domain, self.reader, Point(), self.head).of_head(head, last)

    def _streams(self) -> Finding | None:
        check = partial(self.reader.check_streams, upto=self.good)
        pages, after, events = Pages(), "", 0
        while True:
            streams, last, bad, more = pages.timed(check, after)
            if bad is not None:
                return Diagnosis(self.domain, self.reader, Point(), self.head).of_stream(bad)
            if last is None:
                break
            after = last
            events += more
            self.counts["streams"] += streams
            self.show("streams", self.counts["streams"], None)
        if events != self.good:
            return Diagnosis(self.domain, self.reader, Point(), self.good).of_count(events)
        return None

    def _commands(self) -> Finding | None:
        check = partial(self.reader.check_commands, forgotten=max(self.forgotten, self.since), upto=self.good)
        pages, after = Pages(), ""
        while True:
            commands, last, bad, counted = pages.timed(check, after)
            if bad is not None:
                detail = f"the remembered answer to command {bad} does not fit its events"
                return Finding("altered-command-row", detail, self.domain.key, id=bad)
            if last is None:
                return None
            after = last
            self.expected -= counted
            self.counts["commands"] += commands
            self.show("commands", self.counts["commands"], None)

    def _remembered(self) -> Finding | None:
        """The events whose command has no row; looked for only when there are fewer rows than commands."""
        if self.expected <= 0:
            return None
        pages, after = Pages(), max(self.forgotten, self.since)
        while True:
            events, last, bad = pages.timed(partial(self.reader.check_remembered, upto=self.good), after)
            if bad is not None:
                detail = (
                    "the answer to this event's command is gone before its time: sent again, it would be done again"
                )
                row = self.reader.row(bad)
                assert row is not None
                return Finding(
                    "deleted-command-row", detail, self.domain.key, bad, row.stream, row.version, id=row.command
                )
            if not events or last is None:
                return None  # they were forgotten while this ran
            after = last
