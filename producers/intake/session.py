"""The one Postgres session of an intake: who owns a partition appends through the session that holds its lock.

A process that slept through a rebalance may wake with commands in hand that the new owner has refused and answered
meanwhile; by then they might be accepted. So a new owner first ends the old owner's session, and a session that was
lost is never replaced while commands that were read under it are left.
"""

import logging
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from psycopg2.extensions import connection as Connection  # noqa: N812

from producers.sql import query
from producers.store.connections import APPENDER, FAULTS, connect, fault
from schemas import Domain, HeadraceError, Unavailable

log = logging.getLogger(__name__)

_EVICT_SECONDS = 10.0


class SessionLost(HeadraceError):
    """The session has ended, and with it the ownership of all partitions."""


class Session:
    """Lends its connection to one thread at a time. Making it raises Unavailable when Postgres does not answer."""

    def __init__(self, postgres: str, domain: Domain) -> None:
        self._topic = domain.commands_topic
        self._lock = threading.Lock()
        self._ended = False
        try:
            self._connection: Connection = connect(postgres, role=APPENDER)
        except FAULTS as error:
            raise fault(error, APPENDER) from error

    @contextmanager
    def lend(self) -> Iterator[Connection]:
        """The connection. Raises Unavailable for a statement that timed out, SessionLost when the session is over."""
        with self._lock:
            if self._ended or self._connection.closed:
                raise SessionLost("the session with PostgreSQL was lost, or another intake ended it")
            try:
                yield self._connection
            except FAULTS as error:
                raise fault(error, APPENDER) from error

    def own(self, partition: int) -> None:
        """Take the partition over; a session that has it still is ended. Raises Unavailable when that fails."""
        values = {"topic": self._topic, "partition": str(partition)}
        deadline = time.monotonic() + _EVICT_SECONDS
        with self.lend() as connection, connection.cursor() as cursor:
            while True:
                cursor.execute(query("intake_own"), values)
                if cursor.fetchone() == (True,):
                    return
                if time.monotonic() > deadline:
                    raise Unavailable(f"partition {partition} of {self._topic} is not given up by its former owner")
                cursor.execute(query("intake_evict"), values)
                time.sleep(0.05)

    def disown(self, partition: int) -> None:
        """Give the partition back, once nothing that was read from it is under way."""
        with self.lend() as connection, connection.cursor() as cursor:
            cursor.execute(query("intake_disown"), {"topic": self._topic, "partition": str(partition)})

    def close(self) -> None:
        """End the session, also in the middle of a statement."""
        self._ended = True
        with suppress(*FAULTS):
            self._connection.cancel()
        with self._lock:
            self._connection.close()
