"""Tick events: while a domain is quiet, its event time goes on, so that windows close and deadlines pass.

A tick is an ordinary event with a position, appended like any other: replay finds it where it was, and nothing that
rests on event time depends on when a worker ran.
"""

import logging
import threading
from collections.abc import Iterable
from datetime import timedelta

from producers.sql import query
from producers.store import NewEvent, Write
from producers.store.connections import APPENDER, Connections
from producers.store.hashing import NO_FINGERPRINT, NO_HASH, event_hash, event_id, microseconds
from producers.store.postgres import PostgresEventStore
from schemas import RESERVED_PREFIX, Domain, HeadraceError, Ticked, encode, reach, tag_of

log = logging.getLogger(__name__)

# No stream of a domain's own can have this name. Its partition key is an ordinary one, which others may have as well.
STREAM = f"{RESERVED_PREFIX}ticks"
_KEY = "ticks"
_LONGEST_PAUSE = 1.0


def run_ticks(domains: Iterable[Domain], postgres: str, stop: threading.Event) -> None:
    """Append a tick to each domain with `tick_after` that has been quiet for that long, until `stop` is set.

    Blocks. Several processes may run it: a tick's id is made of the position that it follows, so all of them together
    append one tick. A database that does not answer is waited for.
    """
    ticking = [(domain, domain.tick_after) for domain in domains if domain.tick_after is not None]
    if not ticking:
        return
    connections = Connections(postgres, 1, APPENDER)
    pause = min(_LONGEST_PAUSE, min(after for _, after in ticking).total_seconds() / 4)
    while not stop.wait(pause):
        for domain, after in ticking:
            try:
                tick(domain, after, connections)
            except HeadraceError as error:
                log.warning("ticks of %s: %s", domain.key, error.detail)
    connections.close()


def tick(domain: Domain, after: timedelta, connections: Connections) -> bool:
    """Append a tick if the domain's last append is so long ago; answers whether there is one now.

    Event time goes on from the greatest so far by the time that has passed since the last append, so a history whose
    load pauses is not overtaken by today. Raises Unavailable when the database does not answer.
    """
    with connections.lend() as connection, connection.cursor() as cursor:
        cursor.execute(query("tick"), {"domain": domain.key, "stream": STREAM, "after": after})
        row = cursor.fetchone()
    if row is None:
        return False
    reach("tick.due")
    position, instant, version, last = row
    command, previous = f"{RESERVED_PREFIX}tick:{position}", bytes(last or NO_HASH)
    data = encode(Ticked(at=instant))
    hash_ = event_hash(previous, domain.key, STREAM, version + 1, event_id(command, 1), _KEY, data)
    event = NewEvent(tag_of(Ticked), data, microseconds(instant), hash_)
    write = Write(command, NO_FINGERPRINT, STREAM, version, previous, _KEY, (event,))
    [outcome] = PostgresEventStore(connections, domain).append([write])
    return outcome.kind in ("accepted", "repeated")
