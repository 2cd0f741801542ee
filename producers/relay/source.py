"""Reads a domain's events from Postgres for the relay: one session that also holds the lead and hears of appends."""

import select
import threading
from collections.abc import Sequence
from types import TracebackType

from psycopg2.extensions import connection as Connection  # noqa: N812

from producers.relay.records import Checkpoint, Row, Rows
from producers.sql import query
from producers.store.connections import FAULTS, RELAY, connect, fault
from schemas import Domain, Fatal

_EVENTS = 10_000
_BYTES = 8_000_000
_POLL = 0.25


class _Lines(list[bytes]):
    """A file to write to, as the driver wants it."""

    write = list.append


class Source:
    """Events after a checkpoint, verified to be dense and to continue the very history that was published.

    Methods raise Unavailable when Postgres does not answer: then the lead is lost, and a new object is needed.
    """

    def __init__(self, postgres: str, domain: Domain) -> None:
        self._domain = domain
        self._rows = Rows(domain)
        try:
            self._connection: Connection = connect(postgres, role=RELAY)
        except FAULTS as error:
            raise fault(error, RELAY) from error

    def __enter__(self) -> "Source":
        return self

    def __exit__(self, kind: type[BaseException] | None, value: object, trace: TracebackType | None) -> None:
        self._connection.close()

    def lead(self, wait: bool, stop: threading.Event) -> bool:
        """Whether this session relays the domain now; with `wait`, tries until it does or `stop` is set."""
        try:
            with self._connection.cursor() as cursor:
                while not stop.is_set():
                    cursor.execute(query("relay_lead"), {"domain": self._domain.key})
                    if cursor.fetchone() == (True,):
                        cursor.execute("LISTEN headrace")
                        return True
                    if not wait:
                        return False
                    stop.wait(_POLL)
        except FAULTS as error:
            raise fault(error, RELAY) from error
        return False

    def read(self, after: Checkpoint) -> tuple[Row | None, Sequence[Row]]:
        """The checkpoint's own event, and the next events up to the end of an append.

        Raises Fatal when the database does not hold what was published.
        """
        limit, size = _EVENTS, _BYTES
        self._connection.notifies.clear()
        while True:
            rows = self._rows.parse(self._lines(max(after.position, 1), limit, size))
            last, rows = (rows[0] if rows else None, rows[1:]) if after.position else (None, rows)
            self._verify(after, last, rows)
            end = len(rows)
            while end and rows[end - 1].digest is None:
                end -= 1
            if end or not rows:
                return last, rows[:end]
            limit, size = limit * 4, size * 4  # an append larger than a batch

    def wait(self, seconds: float) -> None:
        """Wait until something has been appended since the last read began, for so long at most."""
        try:
            self._connection.poll()
            if not self._connection.notifies:
                select.select([self._connection], [], [], min(seconds, _POLL))
        except (*FAULTS, OSError, ValueError) as error:
            raise fault(error, RELAY) from error

    def _lines(self, first: int, limit: int, size: int) -> Sequence[bytes]:
        lines = _Lines()
        try:
            with self._connection.cursor() as cursor:
                values = {"domain": self._domain.key, "first": first, "limit": limit, "bytes": size}
                cursor.copy_expert(cursor.mogrify(query("relay_read"), values), lines)
        except FAULTS as error:
            raise fault(error, RELAY) from error
        return lines

    def _verify(self, after: Checkpoint, last: Row | None, rows: Sequence[Row]) -> None:
        name = self._domain.key
        if after.position and (last is None or last.position != after.position or last.digest != after.digest):
            raise Fatal(
                f"the database does not hold what was published of {name} up to position {after.position}: it was "
                "restored or replaced. Nothing is relayed. Bring back the database that has these events, or start a "
                "new generation of the domain's topics.",
                rule="history-differs",
            )
        for position, row in enumerate(rows, after.position + 1):
            if row.position != position:
                raise Fatal(
                    f"the database has no event of {name} at position {position}: events were removed from it. "
                    "Nothing is relayed beyond that.",
                    rule="history-has-a-gap",
                )
