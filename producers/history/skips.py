"""Events that are left out of folds because somebody said so: who, when and why, in a chained table of its own."""

from datetime import datetime

from msgspec import Struct

from producers.history.keys import KeyEvent
from producers.sql import query
from producers.store.connections import KEEPER, READER, Connections
from schemas import Domain


class Skip(Struct, frozen=True):
    """One event that is left out. `intact` says whether the record follows the one before it, unaltered."""

    event: str
    position: int
    key: str
    stream: str
    version: int
    reason: str
    actor: str
    time: datetime
    intact: bool


class Skips:
    """The skips of one domain. Methods block and raise Unavailable when Postgres does not answer."""

    def __init__(self, postgres: str, domain: Domain) -> None:
        self._readers, self._keepers = Connections(postgres, 1, READER), Connections(postgres, 1, KEEPER)
        self._domain = domain

    def close(self) -> None:
        """Close the connections."""
        self._readers.close()
        self._keepers.close()

    def of(self, key: str | None = None) -> list[Skip]:
        """The skips of a partition key, or all, in the order in which they were recorded."""
        if key is not None and "\0" in key:
            return []
        with self._readers.lend() as connection, connection.cursor() as cursor:
            cursor.execute(query("skipped"), {"domain": self._domain.key, "key": key})
            return [Skip(*row) for row in cursor]

    def add(self, key: str, event: KeyEvent, reason: str, actor: str) -> Skip:
        """Record a skip, and answer what stands: of two that skip the same event, the first one's."""
        values = {"event": event.id, "position": event.position, "stream": event.stream, "version": event.version}
        with self._keepers.lend() as connection, connection.cursor() as cursor:
            cursor.execute(
                query("skip"), {**values, "domain": self._domain.key, "key": key, "reason": reason, "actor": actor}
            )
        return next(skip for skip in self.of(key) if skip.event == event.id)
