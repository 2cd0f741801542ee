"""A domain as large as one likes, made by SQL."""

import hashlib
import os
import random
import uuid
from collections.abc import Sequence
from contextlib import closing, suppress

import psycopg2
from psycopg2.errors import InsufficientPrivilege

from infra.bench.errors import BenchError
from infra.bench.sql import query
from producers import PostgresEventStore
from producers.http.intake import generated_id
from producers.store import NewEvent, Write
from producers.store.connections import OWNER, connect
from schemas import Domain

_CHUNK = 500_000
_EVENTS_A_STREAM = 5
# Events of one append, as fill_events.sql has it.
APPEND = 100
_DATA = b'{"type":"OrderPaid","padding":"%s"}' % (b"x" * 200)


class Filled:
    """A domain with `size` events (a multiple of 5), five on each of its streams; commands and streams are left out
    when only events are needed."""

    def __init__(self, postgres: str, domain: Domain, size: int, *, only_events: bool = False) -> None:
        self._streams = size // _EVENTS_A_STREAM
        self._tips: dict[int, tuple[int, bytes]] = {}
        self._size = size
        self._random = random.Random(7)
        values = {"domain": domain.key, "streams": self._streams, "last": size}
        with closing(connect(postgres, "-c timezone=UTC", OWNER)) as connection, connection.cursor() as cursor:
            cursor.execute(query("fill_room"), values)
            for kind in ("events",) if only_events else ("events", "commands"):
                for first in range(1, size + 1, _CHUNK):
                    last = min(first + _CHUNK - 1, size)
                    cursor.execute(query(f"fill_{kind}"), {**values, "first": first, "last": last})
            for name in ("head",) if only_events else ("streams", "head"):
                cursor.execute(query(f"fill_{name}"), values)
            for table in ("events", "commands", "streams"):
                cursor.execute(f"VACUUM (ANALYZE) {table}")
        # What the filling has left to be written would be written by those who are measured.
        with closing(psycopg2.connect(postgres)) as connection, suppress(InsufficientPrivilege):
            connection.autocommit = True
            connection.cursor().execute("CHECKPOINT")

    def writes(self, count: int, active: int = 0) -> list[Write]:
        """Writes of one event each, to so many streams that are active now, with command ids as the API makes them;
        or (0) to streams anywhere in the domain, with command ids in no order."""
        made = []
        first = max(0, self._streams - active) if active else 0
        for number in (self._random.randrange(first, self._streams) for _ in range(count)):
            version, before = self._tips.get(number) or (_EVENTS_A_STREAM, self._last_hash(number))
            after = os.urandom(32)
            self._tips[number] = version + 1, after
            made.append(
                Write(
                    command=generated_id() if active else str(uuid.uuid4()),
                    fingerprint=after[16:],
                    stream=f"filled-{number}",
                    version=version,
                    hash=before,
                    partition_key=f"customer-{number % 20_000}",
                    events=(NewEvent("OrderPaid", _DATA, 1_767_225_600_000_000, after),),
                )
            )
        return made

    def _last_hash(self, number: int) -> bytes:
        return mark(self._size - self._streams + number + 1)


def mark(position: int) -> bytes:
    """Hash of the event that was filled in at a position, and its digest when it ends an append."""
    return hashlib.sha256(position.to_bytes(8, "big")).digest()


def append(store: PostgresEventStore, writes: Sequence[Write]) -> int:
    """Append writes, all of which must be accepted; answers how many they were."""
    outcomes = store.append(writes)
    for write, outcome in zip(writes, outcomes, strict=True):
        if outcome.kind != "accepted":
            raise BenchError(f"the command {write.command} of the benchmark was not accepted: {outcome.kind}")
    return len(outcomes)
