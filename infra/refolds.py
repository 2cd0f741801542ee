"""The event store as the workers read it when they fold a partition key anew."""

from collections.abc import Iterator, Sequence

from producers.history import KeyEvent, KeyHistory, Skips
from schemas import Domain


class StoredHistory:
    """Events by partition key, and which of them are left out, from Postgres. It connects at its first use.

    Methods block and raise Unavailable when Postgres does not answer.
    """

    def __init__(self, postgres: str, domain: Domain) -> None:
        self._events, self._skips = KeyHistory(postgres, domain), Skips(postgres, domain)

    def events(self, key: str, after: int, upto: int) -> Iterator[Sequence[KeyEvent]]:
        """The events of a partition key after one position up to another, in their order, in pages."""
        return self._events.events(key, after, upto)

    def skipped(self, key: str) -> frozenset[str]:
        """Ids of the events of a partition key that are to be left out."""
        return frozenset(skip.event for skip in self._skips.of(key))

    def close(self) -> None:
        """Close the connections."""
        self._events.close()
        self._skips.close()
