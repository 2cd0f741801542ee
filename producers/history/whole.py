"""All events of a domain in the order of their positions, as the relay publishes them, for those who read a lot."""

from collections.abc import Iterator
from datetime import datetime

from producers.relay.records import Row, Rows
from producers.sql import query
from producers.store.connections import READER, Connections
from schemas import Control, Domain, Fatal

_EVENTS = 10_000


class _Lines(list[bytes]):
    """A file to write to, as the driver wants it."""

    write = list.append


class WholeHistory:
    """Reads events by position, in pages and short statements: a long one would keep old rows of the head alive.

    Methods block and raise Unavailable when Postgres does not answer.
    """

    def __init__(self, postgres: str, domain: Domain) -> None:
        self._connections = Connections(postgres, 1, READER)
        self._domain = domain

    def close(self) -> None:
        """Close the connection."""
        self._connections.close()

    def head(self) -> int:
        """The position of the last event."""
        with self._connections.lend() as connection, connection.cursor() as cursor:
            cursor.execute(query("head"), {"domain": self._domain.key})
            found = cursor.fetchone()
        return 0 if found is None else int(found[0])

    def at(self, position: int) -> Control:
        """What the event at a position says of the domain there. Raises Fatal when there is none."""
        [[row]] = self.rows(position - 1, position)
        time, watermark = (datetime.fromisoformat(text.decode()) for text in (row.time, row.watermark))
        return Control(position=position, time=time, watermark=watermark)

    def rows(self, after: int, upto: int) -> Iterator[list[Row]]:
        """The events after one position up to another, in pages. Raises Fatal where an event is missing."""
        while after < upto:
            page = Rows(self._domain).parse(self._lines(after, upto))
            for position, row in enumerate(page, after + 1):
                if row.position != position:
                    raise self._missing(position)
            if not page:
                raise self._missing(after + 1)
            yield page
            after = page[-1].position

    def _missing(self, position: int) -> Fatal:
        return Fatal(
            f"the event store has no event of {self._domain.name} at position {position}: it was removed, or the "
            "history has not come so far",
            rule="history-has-a-gap",
        )

    def _lines(self, after: int, upto: int) -> list[bytes]:
        lines = _Lines()
        values = {"domain": self._domain.key, "after": after, "upto": upto, "limit": _EVENTS}
        with self._connections.lend() as connection, connection.cursor() as cursor:
            cursor.copy_expert(cursor.mogrify(query("history_read"), values), lines)
        return lines
