"""The event store in Postgres."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec

from producers.sql import query
from producers.store import (
    SNAPSHOT_EVERY,
    Answer,
    Head,
    History,
    Loaded,
    Outcome,
    Recorded,
    Snapshot,
    StoredEvent,
    Write,
)
from producers.store.batches import parameters
from producers.store.chains import Chains
from producers.store.connections import APPENDER, Connections, Lender
from producers.store.hashing import NO_HASH
from schemas import Domain, reach

# What one load answers at most, in events: of one stream, and altogether.
_LONGEST = SNAPSHOT_EVERY - 1
_MOST = 50_000


class PostgresEventStore:
    """See `EventStore`. Connects to `at` (URL) when it is first used, at most so many times, or uses what lends
    connections; `close` when it is no longer needed.

    `chains` reads single streams.
    """

    def __init__(self, at: str | Lender, domain: Domain, connections: int = 4, role: str = APPENDER) -> None:
        self._domain = domain
        self._connections = Connections(at, connections, role) if isinstance(at, str) else at
        self.chains = Chains(self._connections, domain)

    def append(self, writes: Sequence[Write]) -> list[Outcome]:
        if not writes:
            return []
        if len({write.command for write in writes}) < len(writes):
            return self._append_in_parts(writes)
        with self._connections.lend() as connection, connection.cursor() as cursor:
            statement = cursor.mogrify(
                query("append"), parameters(self._domain.key, self._domain.allowed_lateness, writes)
            )
            reach("append.sent")
            cursor.execute(statement)
            [(head, exceptions)] = cursor.fetchall()
        reach("append.committed")
        return [Outcome(*entry) for entry in exceptions] if exceptions else _accepted(head, writes)

    def load(self, after: Mapping[str, int], counters: Sequence[str] = (), claims: Sequence[str] = ()) -> Loaded:
        values = {
            "domain": self._domain.key,
            "names": list(after),
            "after": list(after.values()),
            "counters": list(counters),
            "claims": list(claims),
            "longest": _LONGEST,
            "most": _MOST,
        }
        with self._connections.lend() as connection, connection.cursor() as cursor:
            cursor.execute(query("load"), values)
            rows = cursor.fetchall()
        data, before = defaultdict(list), defaultdict(bytes)
        for kind, name, _, _, found, body in rows:
            if kind == "event":
                data[name].append(bytes(body))
            elif kind == "before":
                before[name] = bytes(found)
        return Loaded(
            {
                name: History(version, bytes(last), key, tuple(data[name]), before[name])
                for kind, name, key, version, last, _ in rows
                if kind == "stream"
            },
            {**dict.fromkeys(counters, 0), **{name: value for kind, name, _, value, *_ in rows if kind == "counter"}},
            frozenset([name for kind, name, *_ in rows if kind == "claim"]),
        )

    def read_stream(self, stream: str, after: int = 0) -> Iterator[Recorded]:
        tip = self.chains.tip(stream)
        if tip is not None:
            yield from self.chains.read(self.chains.span(stream, tip, after=after))

    def snapshots(self, streams: Sequence[str], fingerprint: bytes) -> dict[str, Snapshot]:
        values = {"domain": self._domain.key, "names": list(streams), "fingerprint": fingerprint}
        with self._connections.lend() as connection, connection.cursor() as cursor:
            cursor.execute(query("snapshots"), values)
            return {
                stream: Snapshot(stream, version, bytes(last), fingerprint, bytes(checksum), bytes(state))
                for stream, version, last, checksum, state in cursor
            }

    def keep(self, snapshot: Snapshot) -> None:
        with self._connections.lend() as connection, connection.cursor() as cursor:
            cursor.execute(query("snapshots_save"), {"domain": self._domain.key, **msgspec.structs.asdict(snapshot)})

    def find(self, commands: Sequence[str]) -> dict[str, Answer]:
        if not commands:
            return {}
        with self._connections.lend() as connection, connection.cursor() as cursor:
            cursor.execute(query("find"), {"domain": self._domain.key, "ids": list(commands)})
            return {id_: Answer(bytes(fingerprint), *numbers) for id_, fingerprint, *numbers in cursor}

    def read(self, after: int, limit: int) -> list[StoredEvent]:
        with self._connections.lend() as connection, connection.cursor() as cursor:
            cursor.execute(query("read"), {"domain": self._domain.key, "after": after, "limit": limit})
            return [_stored(*row) for row in cursor]

    def head(self) -> Head:
        with self._connections.lend() as connection, connection.cursor() as cursor:
            cursor.execute(query("head"), {"domain": self._domain.key})
            row = cursor.fetchone()
        return Head(row[0], row[1], bytes(row[2])) if row else Head(0, datetime(1970, 1, 1, tzinfo=UTC), NO_HASH)

    def close(self) -> None:
        """Close the connections."""
        self._connections.close()

    def _append_in_parts(self, writes: Sequence[Write]) -> list[Outcome]:
        """A batch that has an id twice, in two or more appends, so that the second meets the first's answer."""
        outcomes: list[Outcome] = []
        start, seen = 0, set[str]()
        for end, write in enumerate(writes):
            if write.command in seen:
                outcomes += self.append(writes[start:end])
                start, seen = end, set()
            seen.add(write.command)
        return outcomes + self.append(writes[start:])


def _accepted(head: int, writes: Sequence[Write]) -> list[Outcome]:
    outcomes = []
    for write in writes:
        head += write.amount
        outcomes.append(Outcome("accepted", write.version + len(write.events), write.amount, head))
    return outcomes


def _stored(*row: Any) -> StoredEvent:
    values: list[Any] = [bytes(value) if isinstance(value, memoryview) else value for value in row]
    return StoredEvent(*values)
