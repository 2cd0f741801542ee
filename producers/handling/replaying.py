"""Replays streams: from a snapshot where there is a good one, else from the first event, however many they are."""

import logging
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from producers.decider import Decider
from producers.handling.cache import Known
from producers.handling.snapshots import START, Base, Snapshots
from producers.store import EventStore, History, Recorded
from schemas import Domain, Event, HeadraceError, Unavailable, event_decoder

log = logging.getLogger(__name__)


class LongStreams(Exception):  # no error: they take their time
    """These streams take long to replay: it should be done aside."""

    def __init__(self, streams: list[str]) -> None:
        super().__init__(", ".join(streams))
        self.streams = streams


class Replay:
    """Brings streams of one domain to their present state."""

    def __init__(self, domain: Domain, decider: Decider, store: EventStore, snapshots: Snapshots) -> None:
        self._domain = domain
        self._store = store
        self._snapshots = snapshots
        self._evolve = decider.evolve
        self._decode: Callable[[bytes], Event] = event_decoder(domain).decode

    def streams(self, histories: Mapping[str, History], *, aside: bool = False) -> dict[str, Known]:
        """What becomes of loaded streams. Those that came without their events are loaded on.

        One that cannot be replayed has an error. Raises Unavailable; with `aside`, LongStreams instead of loading on.
        """
        long = [stream for stream, history in histories.items() if len(history.events) < history.version]
        bases = self._snapshots.find(long) if long else {}
        since = self._store.load({stream: base.version for stream, base in bases.items()}).streams if bases else {}
        chosen = {s: (bases.get(s, START), since.get(s, history)) for s, history in histories.items()}
        if aside and (waiting := [stream for stream, (base, history) in chosen.items() if not _whole(base, history)]):
            raise LongStreams(waiting)
        return {stream: self._stream(stream, base, history) for stream, (base, history) in chosen.items()}

    def _stream(self, stream: str, base: Base, history: History) -> Known:
        known = Known(confirmed=True)
        known.version, known.hash, known.partition_key = history.version, history.hash, history.partition_key
        try:
            if _whole(base, history):
                known.state, known.kept = base.state, base.version
                for data in history.events:
                    known.state = self._evolve(known.state, self._decode(data))
            else:
                self._read(stream, base, known)
        except Unavailable:
            raise
        except Exception as error:
            log.exception("stream %s of %s cannot be loaded", stream, self._domain.name)
            known.error = HeadraceError(f"stream {stream} cannot be loaded: {error}", rule="unreadable-stream")
        return known

    def _read(self, stream: str, base: Base, known: Known) -> None:
        """Replay a stream that is too long to be loaded at once, or to which the snapshot does not belong."""
        known.state, known.kept, events = resume(self._store, stream, base)
        known.version, known.hash = known.kept, base.hash
        for event in events:
            known.state = self._evolve(known.state, self._decode(event.data))
            known.version, known.hash = event.version, event.hash


def _whole(base: Base, history: History) -> bool:
    """Whether the history has all events after its base."""
    return len(history.events) == history.version - base.version and history.before == base.hash


def resume(store: EventStore, stream: str, base: Base) -> tuple[Any, int, Iterator[Recorded]]:
    """State and version from which to go on, and the events after it: those of `base` when its hash is that of the
    stream's event at its version, else from the start.
    """
    if base.version:
        events = store.read_stream(stream, base.version - 1)
        first = next(events, None)
        if first is not None and first.hash == base.hash:
            return base.state, base.version, events
        log.warning("the snapshot of stream %s at version %d does not belong to it", stream, base.version)
    return None, 0, store.read_stream(stream)
