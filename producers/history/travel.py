"""Time travel: the state of a stream at a version or an instant, its history, and the difference of two versions."""

from datetime import datetime
from typing import Any

import msgspec
from msgspec import Struct, field

from producers.decider import Decider
from producers.handling.snapshots import START, Base, Snapshots, encode_state
from producers.history.differences import Change, changes
from producers.store import Recorded
from producers.store.chains import Tip
from producers.store.postgres import PostgresEventStore
from schemas import Domain, HeadraceError, NotFound, event_decoder

MAX_EVENTS = 1_000


class Seen(Struct, frozen=True):
    """A stream at one version: `position` and `time` are those of that version's event, `current_version` is
    where the stream stands now, `state` what the domain's rules see (null before the first event), as raw JSON.
    """

    stream: str
    version: int
    current_version: int
    position: int
    time: datetime | None
    state: Any


class Entry(Struct, frozen=True):
    """One event of a history. `time` is the instant of its append, `data` the stored JSON."""

    id: str
    version: int
    position: int
    type: str
    time: datetime
    data: Any


class Page(Struct, frozen=True):
    """Events of a stream, oldest first; `next` is what to ask for `after` to read on, null at the end."""

    stream: str
    current_version: int
    data: list[Entry]
    next: int | None


class Difference(Struct, frozen=True):
    """How two versions of a stream differ: both, the changes from one to the other, and the events between them.

    The events are those after the lower version up to the higher one, oldest first; `next` is what to ask the
    history for when there are more.
    """

    stream: str
    before: Seen = field(name="from")
    after: Seen = field(name="to")
    changes: list[Change]
    events: list[Entry]
    next: int | None


class _Moment(Struct, frozen=True):
    """A state, and the event that made it (none before the first)."""

    event: Recorded | None
    state: Any


class Traveller:
    """Looks into the past of one domain's streams. Every method blocks.

    All raise NotFound for a stream or version that does not exist, Unavailable when Postgres does not answer, and
    HeadraceError for a stream that cannot be read.
    """

    def __init__(self, domain: Domain, decider: Decider, store: PostgresEventStore) -> None:
        self.domain = domain
        self._decider = decider
        self._chains = store.chains
        self._snapshots = Snapshots(domain, decider, store)
        self._decoder = event_decoder(domain)

    def at_version(self, stream: str, version: int | None = None) -> Seen:
        """The stream at a version from 1, by default the current one."""
        tip = self._tip(stream)
        wanted = tip.version if version is None else _existing(stream, tip, version)
        [moment] = self._replay(stream, tip, [wanted])
        return self._seen(stream, tip, moment)

    def state(self, stream: str, version: int) -> Any:
        """The state itself at a version from 1."""
        tip = self._tip(stream)
        return self._replay(stream, tip, [_existing(stream, tip, version)])[0].state

    def at_instant(self, stream: str, instant: datetime) -> Seen:
        """The stream as the events that had been appended by then made it."""
        tip = self._tip(stream)
        version = self._chains.version_at(stream, tip, instant)
        if not version:
            raise NotFound(f"stream {stream} began after {instant.isoformat()}", rule="not-yet-begun", field="at")
        [moment] = self._replay(stream, tip, [version])
        return self._seen(stream, tip, moment)

    def history(self, stream: str, after: int = 0, limit: int = 100) -> Page:
        """At most `limit` events after a version."""
        tip = self._tip(stream)
        span = self._chains.span(stream, tip, after=after, to=min(tip.version, after + limit))
        more = span.last if span.last < tip.version and span.positions else None
        return Page(stream, tip.version, [_entry(event) for event in self._chains.read(span)], more)

    def difference(self, stream: str, before: int, after: int) -> Difference:
        """From one version to another, either of which may be the lower one; 0 is before the first event."""
        tip = self._tip(stream)
        low, high = sorted(_existing(stream, tip, version) for version in (before, after))
        entries: list[Entry] = []
        lower, higher = [self._seen(stream, tip, moment) for moment in self._replay(stream, tip, [low, high], entries)]
        first, second = (lower, higher) if before <= after else (higher, lower)
        found = list(changes(msgspec.json.decode(first.state), msgspec.json.decode(second.state)))
        return Difference(
            stream, first, second, found, entries, low + len(entries) if low + len(entries) < high else None
        )

    def _tip(self, stream: str) -> Tip:
        # No id has a NUL, which Postgres would not take.
        tip = None if "\0" in stream else self._chains.tip(stream)
        if tip is None:
            raise NotFound(f"there is no stream {stream!r}", rule="unknown-stream", field="stream")
        return tip

    def _replay(
        self, stream: str, tip: Tip, versions: list[int], entries: list[Entry] | None = None, base: Base | None = None
    ) -> list[_Moment]:
        """The stream at each of the ascending `versions`; `entries` gets the events after the first of them.

        Starts from `base`, by default from the snapshot if there is one that is old enough.
        """
        if base is None:
            base = self._snapshots.find([stream]).get(stream, START)
            base = base if base.version <= versions[0] else START
        state: Any = None
        moments = [_Moment(None, state)] * versions.count(0)
        for event in self._chains.read(self._chains.span(stream, tip, after=max(base.version - 1, 0), to=versions[-1])):
            if event.version > base.version:
                state = self._evolved(stream, state, event)
            elif event.hash == base.hash:
                state = base.state
            else:
                return self._replay(stream, tip, versions, entries, START)
            moments += [_Moment(event, state)] * versions.count(event.version)
            if entries is not None and event.version > versions[0] and len(entries) < MAX_EVENTS:
                entries.append(_entry(event))
        return moments

    def _evolved(self, stream: str, state: Any, event: Recorded) -> Any:
        try:
            return self._decider.evolve(state, self._decoder.decode(event.data))
        except Exception as error:
            raise HeadraceError(
                f"version {event.version} of stream {stream} cannot be loaded: {error}", rule="unreadable-stream"
            ) from error

    def _seen(self, stream: str, tip: Tip, moment: _Moment) -> Seen:
        try:
            state = msgspec.Raw(encode_state(moment.state))
        except (TypeError, ValueError) as error:
            raise HeadraceError(
                f"the state of {self.domain.name} has no JSON form: {error}", rule="state-without-json"
            ) from error
        event = moment.event
        if event is None:
            return Seen(stream, 0, tip.version, 0, None, state)
        return Seen(stream, event.version, tip.version, event.position, event.time, state)


def _existing(stream: str, tip: Tip, version: int) -> int:
    if version > tip.version:
        raise NotFound(
            f"stream {stream} has no version {version}; its current version is {tip.version}",
            rule="unknown-version",
            field="version",
        )
    return version


def _entry(event: Recorded) -> Entry:
    return Entry(event.id, event.version, event.position, event.type, event.time, msgspec.Raw(event.data))
