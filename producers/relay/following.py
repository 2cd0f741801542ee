"""The relay of one domain: follows the event store and publishes what it appends."""

import logging
import threading
import time
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor

from producers.relay.catching_up import caught_up
from producers.relay.publisher import Publisher
from producers.relay.records import Checkpoint, Row
from producers.relay.source import Source
from schemas import Domain, Unavailable, reach

log = logging.getLogger(__name__)

# How often the partitions that get no event are told how far the domain is.
_CONTROL_SECONDS = 0.1
# A batch of so many events has more behind it: the next one is read while it is published. After a smaller one it is
# read when that is published, so that it has all that came meanwhile, and no event waits for two batches.
_BACKLOG = 2_000
_FIRST_PAUSE = 0.1
_LONGEST_PAUSE = 5.0


def follow(domain: Domain, postgres: str, kafka: str, stop: threading.Event) -> None:
    """Relay the domain until `stop` is set. While a server is down, or another relay leads, it waits.

    Raises Fatal when the database does not hold what was published.
    """
    pause = _FIRST_PAUSE
    while not stop.is_set():
        started = time.monotonic()
        try:
            _term(domain, postgres, kafka, stop)
        except Unavailable as error:
            if time.monotonic() - started > _LONGEST_PAUSE:
                pause = _FIRST_PAUSE
            log.warning("relay of %s: %s; next attempt in %.1f s", domain.key, error.detail, pause)
            stop.wait(pause)
            pause = min(pause * 2, _LONGEST_PAUSE)


def _term(domain: Domain, postgres: str, kafka: str, stop: threading.Event) -> None:
    """Lead until something fails. Whatever fails, the next term finds out from Kafka what was published."""
    with Source(postgres, domain) as source:
        if not source.lead(False, stop):
            log.info("relay of %s: another relay leads; standing by", domain.key)
            if not source.lead(True, stop):
                return
        with Publisher(kafka, domain) as publisher:
            checkpoint = caught_up(domain, source, publisher, stop)
            if checkpoint is None:
                return
            log.info("relay of %s: goes on after position %d", domain.key, checkpoint.position)
            _publish_all(source, publisher, checkpoint, stop)


def _publish_all(source: Source, publisher: Publisher, checkpoint: Checkpoint, stop: threading.Event) -> None:
    # The owner before us may have died before it told the partitions how far it was.
    owed, _ = source.read(checkpoint)
    told = 0.0
    reading: Future[tuple[Row | None, Sequence[Row]]] | None = None
    with ThreadPoolExecutor(1, "relay-read") as ahead:
        while not stop.is_set():
            _, rows = reading.result() if reading else source.read(checkpoint)
            reading = None
            due = time.monotonic() - told >= _CONTROL_SECONDS
            if rows:
                reach("relay.read")
                owed = rows[-1]
                checkpoint = Checkpoint(owed.position, owed.digest or "")
                if len(rows) >= _BACKLOG:
                    reading = ahead.submit(source.read, checkpoint)
            if rows or (owed is not None and due):
                publisher.publish(rows, checkpoint, owed if due else None)
                if due:
                    owed, told = None, time.monotonic()
            else:
                publisher.check()
                source.wait(max(0.0, told + _CONTROL_SECONDS - time.monotonic()) if owed is not None else 1.0)
