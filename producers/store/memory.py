"""The event store in memory: for tests, and the shortest description of what an append does."""

import threading
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta

from producers.store import (
    Answer,
    Guard,
    Head,
    History,
    Loaded,
    NewEvent,
    Outcome,
    Part,
    Recorded,
    Snapshot,
    StoredEvent,
    Write,
)
from producers.store.hashing import NO_HASH, append_digest, event_id
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
        self._claims: frozenset[str] = frozenset()
        self._counters: dict[str, int] = {}
        self._snapshots: dict[str, Snapshot] = {}
        self._latest = _EPOCH
        self._head = Head(0, _EPOCH, NO_HASH)

    def append(self, writes: Sequence[Write]) -> list[Outcome]:
        _check(writes)
        with self._lock:
            now = max(datetime.now(UTC), self._head.time + timedelta(microseconds=1))
            first, fallen = len(self._events), set[str]()
            outcomes = [self._append(write, now, fallen) for write in writes]
            fresh = self._events[first:]
            if fresh:
                digest = append_digest(
                    self._head.digest, first + 1, now, [e.hash for e in fresh], [e.watermark for e in fresh]
                )
                self._seal(digest)
                self._head = Head(len(self._events), now, digest)
            return outcomes

    def load(self, after: Mapping[str, int], counters: Sequence[str] = (), claims: Sequence[str] = ()) -> Loaded:
        with self._lock:
            return Loaded(
                {
                    name: History(
                        len(events),
                        events[-1].hash,
                        events[0].partition_key,
                        tuple(e.data for e in events[version:]),
                        events[version - 1].hash if 0 < version <= len(events) else b"",
                    )
                    for name, version in after.items()
                    if (events := self._streams.get(name))
                },
                {key: self._counters.get(key, 0) for key in counters},
                self._claims.intersection(claims),
            )

    def read_stream(self, stream: str, after: int = 0) -> Iterator[Recorded]:
        for e in self._streams.get(stream, [])[after:]:
            yield Recorded(e.version, e.position, e.id, e.type, e.time, e.hash, e.data)

    def snapshots(self, streams: Sequence[str], fingerprint: bytes) -> dict[str, Snapshot]:
        with self._lock:
            found = [self._snapshots[stream] for stream in streams if stream in self._snapshots]
            return {snapshot.stream: snapshot for snapshot in found if snapshot.fingerprint == fingerprint}

    def keep(self, snapshot: Snapshot) -> None:
        with self._lock:
            kept = self._snapshots.setdefault(snapshot.stream, snapshot)
            if kept.version < snapshot.version or kept.fingerprint != snapshot.fingerprint:
                self._snapshots[snapshot.stream] = snapshot

    def find(self, commands: Sequence[str]) -> dict[str, Answer]:
        with self._lock:
            return {command: self._answers[command] for command in commands if command in self._answers}

    def read(self, after: int, limit: int) -> list[StoredEvent]:
        with self._lock:
            return self._events[after : after + limit]

    def head(self) -> Head:
        return self._head

    def _append(self, write: Write, now: datetime, fallen: set[str]) -> Outcome:
        outcome = self._refusal(write, fallen)
        if outcome is not None:
            fallen.update(part.stream for part in write.parts if part.events)
            return outcome
        for guard in write.guards:
            self._apply(guard)
        number = 0
        for part in write.parts:
            for event in part.events:
                number += 1
                self._store(write, part, event, number, now)
        version, position = write.version + len(write.events), len(self._events)
        self._answers[write.command] = Answer(write.fingerprint, version, number, position)
        return Outcome("accepted", version, number, position)

    def _store(self, write: Write, part: Write | Part, event: NewEvent, number: int, now: datetime) -> None:
        stream = self._streams.setdefault(part.stream, [])
        self._latest = max(self._latest, min(now, _EPOCH + timedelta(microseconds=event.happened)))
        stored = StoredEvent(
            position=len(self._events) + 1,
            stream=part.stream,
            version=len(stream) + 1,
            id=event_id(write.command, number),
            type=event.type,
            partition_key=part.partition_key,
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

    def _refusal(self, write: Write, fallen: set[str]) -> Outcome | None:
        first = self._answers.get(write.command)
        if first is not None:
            if first.fingerprint == write.fingerprint:
                return Outcome("repeated", first.version, first.events, first.position)
            return Outcome("misused")
        for part in write.parts:
            version, last = self._tip(part.stream)
            if part.stream in fallen or version != part.version or (version and last != part.hash):
                return Outcome("conflict")
        for number, guard in enumerate(write.guards, 1):
            count, held = self._counters.get(guard.key, 0), guard.key in self._claims
            if (guard.kind == "claim" and held) or (guard.kind == "counter" and count + guard.amount < guard.floor):
                return Outcome("guarded", number)
            facts = {"value": count == guard.amount, "free": not held, "held": held}
            if not facts.get(guard.kind, True):
                return Outcome("conflict")
        return None

    def _tip(self, stream: str) -> tuple[int, bytes]:
        events = self._streams.get(stream)
        return (len(events), events[-1].hash) if events else (0, NO_HASH)

    def _apply(self, guard: Guard) -> None:
        if guard.kind == "claim":
            self._claims |= {guard.key}
        elif guard.kind == "release":
            self._claims -= {guard.key}
        elif guard.kind == "counter":
            self._counters[guard.key] = self._counters.get(guard.key, 0) + guard.amount

    def _seal(self, digest: bytes) -> None:
        """Put the digest onto the append's last event."""
        event = self._events[-1]
        sealed = StoredEvent(**{**{name: getattr(event, name) for name in event.__struct_fields__}, "digest": digest})
        self._events[-1] = self._streams[event.stream][-1] = sealed


def _check(writes: Sequence[Write]) -> None:
    finals: dict[str, int] = {}
    for part in [part for write in writes for part in write.parts]:
        if finals.get(part.stream, part.version) != part.version:
            raise ValueError(f"the writes of the batch on stream {part.stream} do not build on each other")
        finals[part.stream] = part.version + len(part.events)
