"""What ClickHouse holds of a domain's events, asked with the reader's rights."""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from clickhouse_driver import Client
from clickhouse_driver.errors import Error, ServerException

from infra.audit.digests import LEAF, MODULUS, Item, Sums, summed
from infra.audit.sql import statement
from schemas import Domain, Fatal, Unavailable

# A query's share of positions: it ends within the reader's limits, and before Ctrl-C becomes a wait.
_PAGE = 500_000
_NOT_THERE = frozenset({60, 81})
COLUMNS = (
    *("position", "id", "type", "stream", "version", "partition_key", "event_time", "time"),
    *("correlation_id", "causation_id", "hash", "data", "stored"),
)


class Warehouse:
    """One connection of the reader. Usable as a context manager."""

    def __init__(self, url: str) -> None:
        self._client = Client.from_url(url)
        self._client.connection.connect_timeout = 5
        self._client.connection.send_receive_timeout = 120

    def __enter__(self) -> "Warehouse":
        return self

    def __exit__(self, *_: object) -> None:
        self._client.disconnect()

    def ask(self, query: str) -> list[tuple[Any, ...]]:
        """Rows of a query. Raises Unavailable when the server is away or refuses it for now, Fatal when it does not
        know a table, or for any other error of the query.
        """
        with self._errors():
            return list(self._client.execute(query))

    def named(self, query: str, parameters: Mapping[str, Any]) -> list[dict[str, Any]]:
        """Rows of a query by the names of their columns; its parameters are bound by the server. Raises as `ask`."""
        with self._errors():
            rows, columns = self._client.execute(query, parameters, with_column_types=True)
            return [dict(zip([name for name, _ in columns], row, strict=True)) for row in rows]

    @contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except ServerException as error:
            self._client.disconnect()
            message = str(error).split("DB::Exception: ", 1)[-1].split("Stack trace")[0].strip()
            if error.code in _NOT_THERE:
                raise Fatal(
                    f"ClickHouse has no such table: {message}; the sink makes them", rule="no-tables"
                ) from error
            raise Fatal(f"ClickHouse: {message}", rule="query-failed") from error
        except (Error, OSError, EOFError) as error:
            self._client.disconnect()
            raise Unavailable(f"ClickHouse does not answer: {error}", retry_after=1) from error

    def reached(self, database: str, topic: str, wanted: dict[int, int], seconds: float) -> int:
        """Wait until partitions of a topic are loaded up to their wanted positions; answers the position up to which
        all of them are, which is less when none got further for so many seconds.
        """
        moved, before = time.monotonic(), None
        while True:
            loaded = dict(self.ask(statement("progress", database=database, topic=topic)))
            found = {number: int(loaded.get(number, 0)) for number in wanted}
            if all(found[number] >= position for number, position in wanted.items()):
                return min(found.values(), default=0)
            moved, before = (moved, before) if found == before else (time.monotonic(), found)
            if time.monotonic() - moved > seconds:
                return min(found.values(), default=0)
            time.sleep(0.05)


class Loaded:
    """The events table of one domain."""

    name = "clickhouse events"

    def __init__(self, warehouse: Warehouse, domain: Domain) -> None:
        self._warehouse, self._database, self._topic = warehouse, domain.database, domain.events_topic
        self._partitions = domain.partitions
        self.ids = 0

    def reached(self, upto: int, seconds: float) -> int:
        """Wait until all is loaded up to a position; answers up to which it is."""
        return self._warehouse.reached(
            self._database, self._topic, dict.fromkeys(range(self._partitions), upto), seconds
        )

    def sums(self, after: int, upto: int, done: Callable[[int], None]) -> Sums:
        """Digests of the ranges between two positions."""
        sums = Sums()
        while after < upto:
            end = min((after // _PAGE + 1) * _PAGE, upto)
            items = self._items(after, end)
            rows = self._warehouse.ask(statement("loaded_digests", leaf=LEAF, items=items))
            self.ids += sum(row[3] for row in rows)
            summed(((leaf, count, distinct, a, b) for leaf, count, distinct, _, a, b in rows), sums)
            after = end
            done(after)
        return sums

    def items(self, after: int, upto: int) -> list[Item]:
        """The events between two positions one by one, with content and derived digests."""
        return [
            Item(p, i, s, a % MODULUS, b % MODULUS, (number, offset))
            for p, i, s, a, b, number, offset in self._warehouse.ask(self._items(after, upto))
        ]

    def _items(self, after: int, upto: int) -> str:
        return statement("loaded_items", database=self._database, after=after, upto=upto)

    def rows(self, positions: Iterable[int]) -> dict[int, dict[str, Any]]:
        """Events with all their columns, by position."""
        listed = ", ".join(map(str, positions))
        query = statement("loaded_rows", database=self._database, columns=", ".join(COLUMNS), positions=listed)
        return {row[0]: dict(zip(COLUMNS, row, strict=True)) for row in self._warehouse.ask(query)}

    def beyond(self, position: int, limit: int) -> list[tuple[int, str, str]]:
        """Position, id and stream of events beyond a position."""
        fields = {"database": self._database, "after": position, "limit": limit}
        return [(p, i, s) for p, i, s in self._warehouse.ask(statement("loaded_beyond", **fields))]

    def quarantined(self, limit: int) -> list[tuple[int, int, str, str, str]]:
        """Partition, offset, key, value and error of records that could not be loaded."""
        fields = {"database": self._database, "topic": self._topic, "limit": limit}
        return [(n, o, k, v, e) for n, o, k, v, e in self._warehouse.ask(statement("quarantined", **fields))]
