"""The event store in memory: for tests, and the shortest description of what an append does."""

import threading
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta

from producers.hashing import NO_HASH, append_digest, event_id
from producers.store import Answer, Guard, Head, History, Outcome, StoredEvent, Write
from schemas import Domain

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class MemoryEventStore:
    """See `EventStore`. Everything is lost with the object."""

    def __init__(self, domain: Domain) -> None:
        self._domain = domain
        self._lock = threading.Lock()
        self._events: list[StoredEvent] = []
        self._streams: dict[str, list[StoredEvent]] = {}
        self._answers: dict[str, Answer] = {}
        self._claims: set[str] = set()
        self._counters: dict[str, int] = {}
        self._latest = _EPOCH
        self._head = Head(0, _EPOCH, NO_HASH)

    def append(self, writes: Sequence[Write]) -> list[Outcome]:
        with self._lock:
            now = max(datetime.now(UTC), self._head.time + timedelta(microseconds=1))
            first, fallen = len(self._events), set[str]()
            outcomes = [self._append(write, now, fallen) for write in writes]
            fresh = self._events[first:]
            if fresh:
                digest = append_digest(self._head.digest, first + 1, now, (event.hash for event in fresh))
                self._seal(digest)
                self._head = Head(len(self._events), now, digest)
            return outcomes

    def load(self, after: Mapping[str, int]) -> dict[str, History]:
        with self._lock:
            return {
                name: History(
                    len(events), events[-1].hash, events[0].partition_key, tuple(e.data for e in events[version:])
                )
                for name, version in after.items()
                if (events := self._streams.get(name))
            }

    def find(self, commands: Sequence[str]) -> dict[str, Answer]:
        with self._lock:
            return {command: self._answers[command] for command in commands if command in self._answers}

    def read(self, after: int, limit: int) -> list[StoredEvent]:
        with self._lock:
            return self._events[after : after + limit]

    def head(self) -> Head:
        return self._head

    def _append(self, write: Write, now: datetime, fallen: set[str]) -> Outcome:
        outcome = self._refusal(write, write.stream in fallen)
        if outcome is not None:
            fallen.add(write.stream)
            return outcome
        for guard in write.guards:
            self._apply(guard)
        stream = self._streams.setdefault(write.stream, []) if write.events else []
        for number, event in enumerate(write.events, 1):
            self._latest = max(self._latest, min(now, _EPOCH + timedelta(microseconds=event.happened)))
            stored = StoredEvent(
                position=len(self._events) + 1,
                stream=write.stream,
                version=len(stream) + 1,
                id=event_id(write.command, number),
                type=event.type,
                partition_key=write.partition_key,
                time=now,
                watermark=self._latest - self._domain.allowed_lateness,
                hash=event.hash,
                digest=None,
                command=write.command,
                correlation=write.correlation,
                traceparent=write.traceparent,
                data=event.data,
            )
            stream.append(stored)
            self._events.append(stored)
        version, position = write.version + len(write.events), len(self._events)
        self._answers[write.command] = Answer(write.fingerprint, version, len(write.events), position)
        return Outcome("accepted", version, len(write.events), position)

    def _refusal(self, write: Write, fell: bool) -> Outcome | None:
        first = self._answers.get(write.command)
        if first is not None:
            if first.fingerprint == write.fingerprint:
                return Outcome("repeated", first.version, first.events, first.position)
            return Outcome("misused")
        version, last = self._tip(write.stream)
        if fell or version != write.version or (version and last != write.hash):
            return Outcome("conflict")
        for number, guard in enumerate(write.guards, 1):
            if guard.kind == "version" and self._tip(guard.key)[0] != guard.amount:
                return Outcome("conflict")
            if guard.kind == "claim" and guard.key in self._claims:
                return Outcome("guarded", number)
            if guard.kind == "counter" and self._counters.get(guard.key, 0) + guard.amount < guard.floor:
                return Outcome("guarded", number)
        return None

    def _tip(self, stream: str) -> tuple[int, bytes]:
        events = self._streams.get(stream)
        return (len(events), events[-1].hash) if events else (0, NO_HASH)

    def _apply(self, guard: Guard) -> None:
        if guard.kind == "claim":
            self._claims.add(guard.key)
        elif guard.kind == "release":
            self._claims.discard(guard.key)
        elif guard.kind == "counter":
            self._counters[guard.key] = self._counters.get(guard.key, 0) + guard.amount

    def _seal(self, digest: bytes) -> None:
        """Put the digest onto the append's last event."""
        event = self._events[-1]
        sealed = StoredEvent(**{**{name: getattr(event, name) for name in event.__struct_fields__}, "digest": digest})
        self._events[-1] = self._streams[event.stream][-1] = sealed
