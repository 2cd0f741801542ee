"""Locks by name that all processes see. One ends with its session, so what a killed process held is free."""

from collections.abc import Iterator
from contextlib import contextmanager

from producers.sql import query
from producers.store.connections import FAULTS, READER, Connections


class Locks:
    """At most `size` are held at once. Raises Unavailable when Postgres does not answer."""

    def __init__(self, postgres: str, size: int = 4) -> None:
        self._sessions = Connections(postgres, size, READER)

    def close(self) -> None:
        """Close the connections that hold none."""
        self._sessions.close()

    @contextmanager
    def alone(self, name: str) -> Iterator[bool]:
        """Hold the lock if nobody else does; gives whether it is held."""
        with self._sessions.lend() as connection:
            with connection.cursor() as cursor:
                cursor.execute(query("lock_alone"), {"name": name})
                held = cursor.fetchone() == (True,)
            yield held  # where that raises, the session ends, and the lock with it
            if held:
                try:
                    with connection.cursor() as cursor:
                        cursor.execute(query("lock_free"), {"name": name})
                except FAULTS:
                    connection.close()  # the session ends, and the lock with it, if it was not lost before
