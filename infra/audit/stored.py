"""What Postgres holds: the reference of the audit, read page by page with the reader's rights."""

from collections.abc import Callable, Iterator
from typing import Any

from psycopg2.errors import UndefinedTable
from psycopg2.extensions import connection as Connection  # noqa: N812

from infra.audit.digests import LEAF, MODULUS, Item, Sums, summed
from infra.audit.sql import statement
from producers.proof.paging import Pages
from producers.sql import query
from producers.store.connections import FAULTS, READER, SESSION, connect, fault
from schemas import Domain, Fatal

_PAGE_EVENTS = 2_000
_OPTIONS = f"{SESSION} -c default_transaction_read_only=on -c jit=off"
# In the order of `stored_rows.sql`.
COLUMNS = (
    *("position", "id", "type", "stream", "version", "partition_key", "time", "watermark"),
    *("correlation_id", "causation_id", "traceparent", "hash", "data"),
)


class Stored:
    """The stored events of one domain. Methods raise Unavailable when Postgres does not answer. Close it at the end."""

    name = "postgres"

    def __init__(self, postgres: str, domain: Domain) -> None:
        self._key = domain.key
        try:
            self._connection: Connection = connect(postgres, _OPTIONS)
        except FAULTS as error:
            raise fault(error, READER) from error

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()

    def head(self) -> int:
        """The position of the domain's last event as its head says; 0 before the first."""
        found = self._all(query("head"))
        return max((int(row[0]) for row in found), default=0)

    def first(self) -> int:
        """The position of the first event that there is; the one after the head when there is none."""
        found = self._all(statement("stored_first"))
        return int(found[0][0]) if found else self.head() + 1

    def sums(self, after: int, upto: int, done: Callable[[int], None]) -> Sums:
        """Digests of the ranges between two positions; `done` is told how far it is."""
        sums, pages, at = Sums(), Pages(), after

        def read(start: int, size: int) -> list[tuple[Any, ...]]:
            values = {"after": start, "upto": min(start + size, upto)}
            return self._all(statement("stored_digests", leaf=LEAF), **values)

        while at < upto:
            end = min(at + pages.size, upto)
            found = pages.timed(read, at)
            summed(((leaf, count, count, a, w) for leaf, count, a, w in found), sums)
            at = end
            done(at)
        return sums

    def items(self, after: int, upto: int) -> list[Item]:
        """The events between two positions one by one, with content and wire digests."""
        found = self._all(statement("stored_items"), after=after, upto=upto)
        return [Item(p, i, s, content % MODULUS, wire % MODULUS) for p, i, s, content, wire in found]

    def sound(self, position: int) -> bool:
        """Whether the event at a position has the hash that its data and the event before it make."""
        return self._all(statement("stored_sound"), position=position) == [(True,)]

    def rows(self, after: int, upto: int) -> Iterator[dict[str, Any]]:
        """The events between two positions with all their columns, by the names of their columns in ClickHouse."""
        while after < upto:
            end = min(after + _PAGE_EVENTS, upto)
            for values in self._all(statement("stored_rows"), after=after, upto=end):
                yield {
                    name: bytes(value) if isinstance(value, memoryview) else value
                    for name, value in zip(COLUMNS, values, strict=True)
                }
            after = end

    def _all(self, text: str, **values: Any) -> list[tuple[Any, ...]]:
        try:
            with self._connection.cursor() as cursor:
                cursor.execute(text, {"domain": self._key, **values})
                return cursor.fetchall()
        except UndefinedTable as error:
            raise Fatal("the database has no tables yet; `headrace prepare` makes them") from error
        except FAULTS as error:
            raise fault(error, READER) from error
