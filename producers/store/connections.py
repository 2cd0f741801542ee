"""Connections to Postgres, each in the role that its work needs: a small pool that reconnects with backoff and fails
fast in between.
"""

import logging
import re
import threading
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol
from urllib.parse import urlsplit

import psycopg2
from psycopg2.errors import InsufficientPrivilege
from psycopg2.extensions import connection as Connection  # noqa: N812

from schemas import Fatal, HeadraceError, Unavailable

log = logging.getLogger(__name__)

# What a session may do is granted to its role; the migrations have the grants. A session that was given none reads.
OWNER = "headrace_owner"
APPENDER = "headrace_appender"
RELAY = "headrace_relay"
KEEPER = "headrace_keeper"
READER = "headrace_reader"
KEYS = "headrace_keys"

# An append takes milliseconds; who waits longer for the head row is better off with an error and a retry.
SESSION = "-c lock_timeout=5s -c statement_timeout=15s -c timezone=UTC -c standard_conforming_strings=on"
# What `fault` gives a name to.
FAULTS = (psycopg2.OperationalError, psycopg2.InterfaceError, psycopg2.InternalError, InsufficientPrivilege)
_FIRST_PAUSE = 0.05
_LONGEST_PAUSE = 2.0


def connect(url: str, options: str = SESSION, role: str = READER) -> Connection:
    """A new connection in autocommit that acts as `role`, which is its name in `pg_stat_activity`, too.

    Raises psycopg2.OperationalError, and Fatal when the URL's login may not act as `role`.
    """
    options = f"{options} -c role={role}"
    try:
        made = psycopg2.connect(url, connect_timeout=5, options=options, application_name=role, client_encoding="utf8")
    except psycopg2.OperationalError as error:
        # Connecting gives no error code, but in whatever language the server speaks, it names the role.
        if f'"{role}"' not in str(error):
            raise
        login = urlsplit(url).username or "the login"
        raise Fatal(
            f"PostgreSQL does not let {login} act as {role}: run `headrace prepare` with a login that may make roles, "
            f'or let an administrator run GRANT {role} TO "{login}"',
            rule="postgres-role",
        ) from error
    made.autocommit = True
    return made


class Lender(Protocol):
    """Lends connections to Postgres."""

    def lend(self) -> AbstractContextManager[Connection]:
        """A connection for one statement or more. Raises Unavailable for a fault of the connection or server."""
        ...

    def close(self) -> None:
        """Close the connections that are not lent."""
        ...


class Connections:
    """At most `size` connections to one database, all in one role, lent to one thread at a time.

    After a failed attempt to connect, further ones within a pause (doubling up to 2 s) fail at once.
    """

    def __init__(self, url: str, size: int = 4, role: str = READER) -> None:
        self._url = url
        self._role = role
        self._idle: list[Connection] = []
        self._lock = threading.Lock()
        self._free = threading.BoundedSemaphore(size)
        self._pause = 0.0
        self._not_before = 0.0

    @contextmanager
    def lend(self) -> Iterator[Connection]:
        """A connection for one statement or more. Raises Unavailable for a fault of the connection or server."""
        with self._free:
            connection = self._take()
            try:
                yield connection
            except FAULTS as error:
                connection.close()
                raise fault(error, self._role) from error
            except BaseException:
                connection.close()
                raise
            if not connection.closed:
                with self._lock:
                    self._idle.append(connection)

    def close(self) -> None:
        """Close the idle connections."""
        with self._lock:
            idle, self._idle = self._idle, []
        for connection in idle:
            connection.close()

    def _take(self) -> Connection:
        with self._lock:
            if self._idle:
                return self._idle.pop()
            wait = self._not_before - time.monotonic()
        if wait > 0:
            raise Unavailable("PostgreSQL does not answer", rule="postgres-unavailable", retry_after=max(wait, 0.1))
        try:
            connection = connect(self._url, role=self._role)
        except FAULTS as error:
            with self._lock:
                self._pause = min(max(self._pause * 2, _FIRST_PAUSE), _LONGEST_PAUSE)
                self._not_before = time.monotonic() + self._pause
                idle, self._idle = self._idle, []
            for stale in idle:
                stale.close()
            raise fault(error, self._role) from error
        with self._lock:
            self._pause = 0.0
        return connection


def fault(error: Exception, role: str) -> HeadraceError:
    """One of `FAULTS` in a session of `role`, by name: a right that is missing is Fatal, all else Unavailable."""
    sentence = " ".join(str(error).split()) or type(error).__name__
    log.warning("PostgreSQL: %s", sentence)
    if not isinstance(error, InsufficientPrivilege):
        return Unavailable(f"PostgreSQL does not answer: {sentence}", rule="postgres-unavailable", retry_after=1.0)
    return Fatal(
        f"PostgreSQL refuses {role}: {error.diag.message_primary or sentence}{_inside(error)}. A right that the "
        f"migrations grant was taken away: an administrator must GRANT it to {role} again",
        rule="postgres-right",
    )


def _inside(error: psycopg2.Error) -> str:
    """The statement that was refused, or its beginning."""
    inner = re.search(r'SQL statement "(.*)', error.diag.context or "", re.DOTALL)
    query = getattr(error.cursor, "query", None)
    text = inner[1] if inner else query.decode(errors="replace") if query else ""
    words = re.sub(r"--.*", "", text).split()
    return f" (in: {' '.join(words[:6])} ...)" if words else ""
