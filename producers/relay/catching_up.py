"""A route that was added to a domain with history gets that history before the relay goes on."""

import logging
import threading

from producers.relay.publisher import RELAY, Publisher, route_key
from producers.relay.records import Checkpoint
from producers.relay.source import Source
from schemas import Domain

log = logging.getLogger(__name__)


def caught_up(domain: Domain, source: Source, publisher: Publisher, stop: threading.Event) -> Checkpoint | None:
    """The checkpoint to go on from, once each route has all events up to it; None when `stop` was set before.

    Each batch is one transaction with the route's own checkpoint, so a relay that dies here goes on where it was.
    A route that was taken away and comes back is caught up from where it ended.
    """
    found = publisher.checkpoints()
    end = found.get(RELAY, Checkpoint())
    for route in domain.routes:
        done = found.get(route_key(route.name), Checkpoint())
        if done.position < end.position:
            log.info(
                "relay of %s: route %s has events up to %d of %d", domain.key, route.name, done.position, end.position
            )
        while done.position < end.position:
            if stop.is_set():
                return None
            _, rows = source.read(done)
            rows = [row for row in rows if row.position <= end.position]
            done = Checkpoint(rows[-1].position, rows[-1].digest or "")
            publisher.catch_up(route.name, rows, done)
    return end
