"""What a batch of commands knows: of streams from the cache, by assumption or from the store; looked-up facts."""

from collections.abc import Iterable
from datetime import datetime

from producers.decider import Facts, Needs
from producers.handling.cache import Known, StreamCache
from producers.handling.replaying import Replay
from producers.handling.snapshots import Snapshots
from producers.store import EventStore, Guard, Write


class Knowledge:
    """What is known while one batch is handled; moves on with its writes, so that its commands see each other.

    `before` is what the batch before it knows, as long as that is not stored yet: its writes are taken for granted.
    """

    def __init__(
        self,
        store: EventStore,
        cache: StreamCache,
        replay: Replay,
        snapshots: Snapshots,
        before: "Knowledge | None" = None,
    ) -> None:
        self._store = store
        self._cache = cache
        self._replay = replay
        self._snapshots = snapshots
        self.before = before
        self.streams: dict[str, Known] = {}
        self._counters: dict[str, int] = {}
        self._claims: set[str] = set()

    def gather(
        self, streams: Iterable[str], new: Iterable[str], needs: Iterable[Needs], *, aside: bool = False
    ) -> None:
        """Fill in streams and facts: what the cache does not have is loaded in one round trip.

        Of the `new` ones, those that are unknown here are taken for streams without events: mostly they are, and the
        append finds out when not. Raises Unavailable; with `aside`, LongStreams where replaying would take long.
        """
        for stream in (*streams, *new):
            if stream not in self.streams and (known := self._remembered(stream)) is not None:
                self.streams[stream] = known
        for stream in new:
            if stream not in self.streams:
                self.streams[stream] = Known(confirmed=False)
        missing = {stream: 0 for stream in streams if stream not in self.streams}
        counters = list({key for need in needs for key in need.counters})
        claims = list({key for need in needs for key in need.claims})
        if not (missing or counters or claims):
            return
        loaded = self._store.load(missing, counters, claims)
        self._counters, self._claims = dict(loaded.counters), set(loaded.claims)
        replayed = self._replay.streams(loaded.streams, aside=aside)
        for stream in missing:
            self.streams[stream] = replayed.get(stream) or Known(confirmed=True)

    def _remembered(self, stream: str) -> Known | None:
        known = None if self.before is None else self.before.streams.get(stream)
        if known is not None:
            return known.assumed()
        known = self._cache.take(stream)
        if known is not None:
            known.confirmed = False
        return known

    def facts(self, now: datetime, needs: Needs) -> Facts:
        """The facts of one decision."""
        return Facts(
            now,
            {stream: self.streams[stream].state for stream in needs.streams},
            {key: self._counters[key] for key in needs.counters},
            self._claims.intersection(needs.claims),
        )

    def apply(self, made: Write) -> None:
        """Move the looked-up facts on past a write."""
        for guard in made.guards:
            self._apply(guard)

    def keep(self) -> None:
        """Put the streams into the cache for the next batch."""
        for stream, known in self.streams.items():
            if known.error is None and known.version:
                self._cache.put(stream, known)
                self._snapshots.offer(stream, known)

    def _apply(self, guard: Guard) -> None:
        if guard.kind == "counter" and guard.key in self._counters:
            self._counters[guard.key] += guard.amount
        elif guard.kind == "claim":
            self._claims.add(guard.key)
        elif guard.kind == "release":
            self._claims.discard(guard.key)
