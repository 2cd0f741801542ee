"""ClickHouse as the queries use it: a few threads, each with its own connections of the read-only user."""

import asyncio
import logging
import threading
import weakref
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import urlsplit

from clickhouse_driver import Client
from clickhouse_driver.errors import Error, ServerException

from schemas import HeadraceError, Invalid, Unavailable
from sinks.query.shapes import shape

_log = logging.getLogger(__name__)
_THREADS = 4
# A value that does not fit its type, or its parameter: the caller's fault.
_BAD_VALUE = frozenset({6, 26, 27, 38, 41, 69, 72, 130, 131, 321, 407, 441, 456, 457, 675, 676})
_TOO_MUCH = frozenset({158, 159, 160, 241, 307, 396})
_NOT_THERE = frozenset({60, 81})
# The server is starting, stopping or full; the same query may work later.
_PASSING = frozenset({202, 209, 210, 236, 252, 279, 394, 999})
_SETTINGS = {"max_result_rows": 10_000, "result_overflow_mode": "throw"}


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

    async def read(self, database: str, query: str, parameters: Mapping[str, Any] | None = None) -> Result:
        """The result of one query in a database.

        Raises Invalid when a value does not fit or the query exceeds a limit, Unavailable when the server is away or
        the tables are not made yet, else HeadraceError.
        """
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._threads, self._read, database, query, dict(parameters or {}))

    def _read(self, database: str, query: str, parameters: dict[str, Any]) -> Result:
        client = self._client(database)
        try:
            columns, types = client.execute(
                query, parameters or None, with_column_types=True, columnar=True, settings=_SETTINGS
            )
            exact = [shape(spelling)(column) for column, (_, spelling) in zip(columns, types, strict=False)]
            return Result(list(zip(*exact, strict=True)), types)
        except ServerException as error:
            raise _explained(error) from error
        except (Error, OSError, EOFError) as error:
            client.disconnect()
            raise Unavailable("ClickHouse does not answer", rule="clickhouse-away", retry_after=1) from error

    def _client(self, database: str) -> Client:
        clients: dict[str, Client] = self._local.__dict__.setdefault("clients", {})
        if database not in clients:
            client = Client.from_url(self._url._replace(path=f"/{database}", query="server_side_params=1").geturl())
            client.connection.connect_timeout = 3
            client.connection.send_receive_timeout = 60
            clients[database] = client
            self._open.append(client)
        return clients[database]


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
        return Unavailable("the tables are not made yet; the sink makes them", rule="no-tables", retry_after=1)
    if error.code in _PASSING:
        return Unavailable(f"ClickHouse: {message}", rule="clickhouse-busy", retry_after=1)
    _log.error("a query failed: %s", message)
    return HeadraceError(f"ClickHouse refused the query (code {error.code})", rule="query-failed")
