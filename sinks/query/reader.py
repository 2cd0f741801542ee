"""ClickHouse as the queries use it: a few threads, each with its own connections of the read-only user."""

import asyncio
import logging
import threading
import weakref
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

from clickhouse_driver import Client
from clickhouse_driver.errors import Error, ServerException

from schemas import HeadraceError, Invalid, Unavailable
from sinks.query.shapes import shape

_log = logging.getLogger(__name__)
_THREADS = 4
_CHUNK_ROWS = 10_000
# Databases that a thread stays connected to: editions of the past come and go.
_DATABASES = 16
# A value that does not fit its type, or its parameter: the caller's fault.
_BAD_VALUE = frozenset({6, 26, 27, 38, 41, 69, 72, 130, 131, 321, 407, 441, 456, 457, 675, 676})
_TOO_MUCH = frozenset({158, 159, 160, 241, 307, 396})
_NOT_THERE = frozenset({60, 81, 218})
# The server is starting, stopping or full; the same query may work later.
_PASSING = frozenset({202, 209, 210, 236, 252, 279, 394, 999})
_SETTINGS = {"max_result_rows": 10_000, "result_overflow_mode": "throw"}


class QueryFailed(HeadraceError):
    """The server refused a statement; `words` are its own."""

    words = ""


class NoTables(Unavailable):
    """A table is not there; `words` are the server's."""

    words = ""


class Result:
    """Rows of a query with the names and types of its columns."""

    def __init__(self, rows: list[tuple[Any, ...]], columns: list[tuple[str, str]]) -> None:
        self.rows, self.columns = rows, columns

    def objects(self) -> list[dict[str, Any]]:
        """The rows by the columns' names."""
        names = [name for name, _ in self.columns]
        return [dict(zip(names, row, strict=True)) for row in self.rows]


class Reader:
    """Runs queries with bound parameters. Connects when it is first used, closes when it is not used any more."""

    def __init__(self, url: str) -> None:
        self._url = urlsplit(url)
        self._threads = ThreadPoolExecutor(_THREADS, "query")
        self._local = threading.local()
        self._open: list[Client] = []
        # Routes have no end of their own to close it at.
        weakref.finalize(self, _close, self._threads, self._open)

    async def read(
        self,
        database: str,
        query: str,
        parameters: Mapping[str, Any] | None = None,
        settings: Mapping[str, Any] = _SETTINGS,
    ) -> Result:
        """The result of one query in a database.

        Raises Invalid when a value does not fit or the query exceeds a limit, Unavailable when the server is away or
        the tables are not made yet, else HeadraceError.
        """
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._threads, self._read, database, query, dict(parameters or {}), settings)

    @contextmanager
    def stream(
        self, database: str, query: str, parameters: Mapping[str, Any], settings: Mapping[str, Any]
    ) -> Iterator[tuple[list[tuple[str, str]], Iterator[list[tuple[Any, ...]]]]]:
        """Names and types of the columns, and the rows in chunks, over a connection of its own. Blocks.

        Raises as `read`, when it is entered or while the chunks are taken; leaving it early cancels the query.
        """
        client = self._connected(database)
        try:
            with _explaining(client):
                chunks = client.execute_iter(
                    query, dict(parameters) or None, with_column_types=True, chunk_size=_CHUNK_ROWS, settings=settings
                )
                head = next(chunks)
                columns, first = list(head[0]), list(head[1:])

            def rest() -> Iterator[list[tuple[Any, ...]]]:
                if first:
                    yield first
                with _explaining(client):
                    for chunk in chunks:
                        yield list(chunk)

            yield columns, rest()
        finally:
            client.disconnect()

    def _read(self, database: str, query: str, parameters: dict[str, Any], settings: Mapping[str, Any]) -> Result:
        client = self._client(database)
        with _explaining(client):
            columns, types = client.execute(
                query, parameters or None, with_column_types=True, columnar=True, settings=settings
            )
            exact = [shape(spelling)(column) for column, (_, spelling) in zip(columns, types, strict=False)]
            return Result(list(zip(*exact, strict=True)), types)

    def _client(self, database: str) -> Client:
        clients: dict[str, Client] = self._local.__dict__.setdefault("clients", {})
        if database not in clients:
            while len(clients) >= _DATABASES:
                oldest = clients.pop(next(iter(clients)))
                oldest.disconnect()
                self._open.remove(oldest)
            self._open.append(self._connected(database))
            clients[database] = self._open[-1]
        clients[database] = clients.pop(database)  # the last used last
        return clients[database]

    def _connected(self, database: str) -> Client:
        client = Client.from_url(self._url._replace(path=f"/{database}", query="server_side_params=1").geturl())
        client.connection.connect_timeout = 3
        client.connection.send_receive_timeout = 60
        return client


@contextmanager
def _explaining(client: Client) -> Iterator[None]:
    """Errors of the server and of the connection as ours."""
    try:
        yield
    except ServerException as error:
        raise _explained(error) from error
    except (Error, OSError, EOFError) as error:
        client.disconnect()
        raise Unavailable("ClickHouse does not answer", rule="clickhouse-away", retry_after=1) from error


def _close(threads: ThreadPoolExecutor, clients: list[Client]) -> None:
    threads.shutdown(wait=False)  # this may be one of them
    for client in clients:
        client.disconnect()


def _explained(error: ServerException) -> Exception:
    message = str(error).split("DB::Exception: ", 1)[-1].split(" Stack trace")[0].split(": In scope")[0].strip()
    if error.code in _BAD_VALUE:
        return Invalid(f"a value does not fit: {message}", rule="invalid-value")
    if error.code in _TOO_MUCH:
        return Invalid(f"the query exceeds a limit, ask for less: {message}", rule="limit-exceeded")
    if error.code in _NOT_THERE:
        missing = NoTables("the tables are not made yet; the sink makes them", rule="no-tables", retry_after=1)
        missing.words = message
        return missing
    if error.code in _PASSING:
        return Unavailable(f"ClickHouse: {message}", rule="clickhouse-busy", retry_after=1)
    failed = QueryFailed(f"ClickHouse refused the query (code {error.code})", rule="query-failed")
    failed.words = message
    return failed
