"""A domain as large as one likes, made by SQL."""

import hashlib
import os
import random
import uuid
from collections.abc import Callable, Sequence
from contextlib import closing

from infra.bench.errors import BenchError
from infra.bench.sql import query
from producers import PostgresEventStore
from producers.connections import OWNER, connect
from producers.store import NewEvent, Write
from schemas import Domain

_CHUNK = 500_000
_EVENTS_A_STREAM = 5
# Events of one append, as fill_events.sql has it.
APPEND = 100
_DATA = b'{"type":"OrderPaid","padding":"%s"}' % (b"x" * 200)


class Filled:
    """A domain with `size` events (a multiple of 5), five on each of its streams. `say` gets what is being made."""

    def __init__(self, postgres: str, domain: Domain, size: int, say: Callable[[str], None] = lambda _: None) -> None:
        self._streams = size // _EVENTS_A_STREAM
        self._tips: dict[int, tuple[int, bytes]] = {}
        self._size = size
        self._random = random.Random(7)
        values = {"domain": domain.key, "streams": self._streams, "last": size}
        with closing(connect(postgres, "-c timezone=UTC", OWNER)) as connection, connection.cursor() as cursor:
            cursor.execute(query("fill_room"), values)
            for kind in ("events", "commands"):
                for first in range(1, size + 1, _CHUNK):
                    say(f"{kind} of {domain.key}: {first - 1:,} of {size:,}")
                    last = min(first + _CHUNK - 1, size)
                    cursor.execute(query(f"fill_{kind}"), {**values, "first": first, "last": last})
            for name in ("streams", "head"):
                cursor.execute(query(f"fill_{name}"), values)

    def writes(self, count: int) -> list[Write]:
        """Writes of one event each, to streams anywhere in the domain, with random command ids."""
        made = []
        for number in (self._random.randrange(self._streams) for _ in range(count)):
            version, before = self._tips.get(number) or (_EVENTS_A_STREAM, self._last_hash(number))
            after = os.urandom(32)
            self._tips[number] = version + 1, after
            made.append(
                Write(
                    command=str(uuid.UUID(bytes=after[:16])),
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
