"""Which partition keys some streams belong to, or the events of some positions."""

from collections.abc import Iterable

from producers.sql import query
from producers.store.connections import READER, Connections
from schemas import Domain

_POSITIONS = 50_000  # in one statement: a long one would keep old rows of the head alive


class Touched:
    """Finds partition keys of one domain. Methods block and raise Unavailable when Postgres does not answer."""

    def __init__(self, postgres: str, domain: Domain) -> None:
        self._connections, self._domain = Connections(postgres, 1, READER), domain

    def close(self) -> None:
        """Close the connection."""
        self._connections.close()

    def of_streams(self, streams: Iterable[str]) -> dict[str, str]:
        """The partition keys of those streams that there are."""
        with self._connections.lend() as connection, connection.cursor() as cursor:
            cursor.execute(query("keys_of_streams"), {"domain": self._domain.key, "streams": list(streams)})
            return dict(cursor.fetchall())

    def of_positions(self, first: int, last: int) -> set[str]:
        """The partition keys of the events from one position to another."""
        found: set[str] = set()
        for start in range(first, last + 1, _POSITIONS):
            values = {"domain": self._domain.key, "first": start, "last": min(last, start + _POSITIONS - 1)}
            with self._connections.lend() as connection, connection.cursor() as cursor:
                cursor.execute(query("keys_of_positions"), values)
                found.update(key for (key,) in cursor)
        return found
