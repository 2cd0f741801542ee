"""Waits until nothing more can be appended by an instant.

An append gets its time under the lock of its domain and is visible only when its transaction ends. So an instant of
just now may still get an event.
"""

import time
from datetime import datetime
from typing import Any

from producers.sql import query
from producers.store.connections import READER, Connections
from schemas import Invalid, Unavailable

_POLL_SECONDS = 0.02


class Settling:
    """Methods block and raise Unavailable when Postgres does not answer."""

    def __init__(self, postgres: str) -> None:
        self._connections = Connections(postgres, 1, READER)

    def close(self) -> None:
        """Close the connection."""
        self._connections.close()

    def settle(self, instant: datetime, seconds: float) -> None:
        """Return once every transaction that can have stamped an event by the instant has ended.

        Raises Invalid for an instant in the future, Unavailable when they have not ended within so many seconds.
        """
        [clock] = self._ask("clock")
        if instant > clock:
            raise Invalid(
                f"it is {clock.isoformat()} now: what will have been by {instant.isoformat()} is not known",
                rule="not-reached",
                field="as_of",
            )
        deadline = time.monotonic() + seconds
        _, begun = self._ask("transactions")
        while self._ask("transactions")[0] < begun:
            if time.monotonic() > deadline:
                raise Unavailable(
                    f"an append that began by {instant.isoformat()} has not ended yet",
                    rule="not-settled",
                    retry_after=1,
                )
            time.sleep(_POLL_SECONDS)

    def _ask(self, name: str) -> tuple[Any, ...]:
        with self._connections.lend() as connection, connection.cursor() as cursor:
            cursor.execute(query(name))
            [row] = cursor.fetchall()
        return tuple(row)
