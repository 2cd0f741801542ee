"""Will every stored event still load? All of a domain's history, decoded by today's code in parallel.

Processes take ranges of positions and read them by pages, each page a short statement of its own: no snapshot is held,
and appends are not slowed. Events that are appended meanwhile are of today's code and are not looked at.
"""

import multiprocessing
import os
import signal
import time
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass, field

import msgspec
import psycopg2.errors
from msgspec import Struct

from producers import PostgresEventStore
from producers.sql import query
from producers.store.connections import READER, Connections
from schemas import Domain, HeadraceError, Unavailable, discover, event_decoder, explained

RANGE = 5_000
_PAGE = 2_000
_KEPT = 20


class BadEvent(Struct, frozen=True):
    """A stored event that does not load: where it is, and the field that fails (empty: the event as a whole)."""

    position: int
    stream: str
    version: int
    type: str
    field: str
    error: str


@dataclass
class Scan:
    """What was found in a domain's history up to `head`. `first` are the first of the `bad` events."""

    head: int
    events: int = 0
    bad: int = 0
    first: list[BadEvent] = field(default_factory=list)
    seconds: float = 0.0

    def add(self, events: int, bad: int, first: list[BadEvent]) -> None:
        """Take in a range."""
        self.events += events
        self.bad += bad
        self.first = sorted([*self.first, *first], key=lambda each: each.position)[:_KEPT]


def scan(url: str, domain: Domain, show: Callable[[Scan], None], jobs: int | None = None) -> Scan:
    """Scan the history of a domain that `discover` finds. `show` is called as it goes on.

    Raises Unavailable when the database does not answer or has no tables yet.
    """
    found, began = Scan(_head(url, domain)), time.monotonic()
    ranges = iter(range(0, found.head, RANGE))
    show(found)
    for outcome in _in_processes(url, domain, ranges, jobs or os.cpu_count() or 1):
        found.add(*outcome)
        show(found)
    found.seconds = time.monotonic() - began
    return found


def scan_range(url: str, domain: Domain, after: int, upto: int) -> tuple[int, int, list[BadEvent]]:
    """How many events there are after one position up to another, how many are bad, and the first of these."""
    connections, decode = Connections(url, 1), event_decoder(domain).decode
    events, bad, first = 0, 0, list[BadEvent]()
    try:
        while True:
            values = {"domain": domain.key, "after": after, "upto": upto, "limit": _PAGE}
            with connections.lend() as connection, connection.cursor() as cursor:
                cursor.execute(query("scan"), values)
                rows = cursor.fetchall()
            for position, stream, version, kind, data in rows:
                try:
                    domain.event_time(decode(bytes(data)))
                except Exception as error:  # whatever keeps it from being loaded
                    bad += 1
                    if len(first) < _KEPT:
                        first.append(BadEvent(position, stream, version, kind, *reversed(_why(error))))
            events += len(rows)
            if len(rows) < _PAGE:
                return events, bad, first
            after = rows[-1][0]
    finally:
        connections.close()


def _head(url: str, domain: Domain) -> int:
    store = PostgresEventStore(url, domain, role=READER)
    try:
        return store.head().position
    except psycopg2.errors.UndefinedTable as error:
        raise Unavailable("the database has no events tables yet: `headrace prepare` makes them") from error
    finally:
        store.close()


def _why(error: Exception) -> tuple[str, str]:
    if isinstance(error, msgspec.ValidationError):
        return explained(error)
    if isinstance(error, HeadraceError):
        return error.detail, error.field
    return f"{type(error).__name__}: {error}", ""


def _in_processes(
    url: str, domain: Domain, ranges: Iterator[int], jobs: int
) -> Iterator[tuple[int, int, list[BadEvent]]]:
    """The outcomes of all ranges as they come; no more than two a process are under way."""
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(jobs, mp_context=context) as pool:
        under_way: set[Future[tuple[int, int, list[BadEvent]]]] = set()
        while True:
            for after in ranges:
                with _interrupts_left_to_parent():
                    under_way.add(pool.submit(_scan_named, url, domain.namespace, domain.name, after, after + RANGE))
                if len(under_way) == 2 * jobs:
                    break
            if not under_way:
                return
            done, under_way = wait(under_way, return_when=FIRST_COMPLETED)
            for each in done:
                try:
                    yield each.result()
                except BrokenProcessPool as error:
                    raise Unavailable("a process that read history was killed; run it again") from error


@contextmanager
def _interrupts_left_to_parent() -> Iterator[None]:
    """Processes that are started in it never see Ctrl-C; here it comes at the end."""
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})


def _scan_named(url: str, namespace: str, name: str, after: int, upto: int) -> tuple[int, int, list[BadEvent]]:
    # A domain has functions, which do not go from process to process: its name does.
    return scan_range(url, discover(namespace)[name], after, upto)
