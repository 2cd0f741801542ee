"""ClickHouse as the loader uses it: one connection, its errors as ours, statements from `.sql` files."""

import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from string import Template
from typing import Any

from clickhouse_driver import Client
from clickhouse_driver.errors import Error, ServerException, TypeMismatchError

from schemas import Fatal, Unavailable
from sinks.sql import statement

_THROW_IF = 395
# What a server says that is overloaded, starting or stopping; the same statement may work later.
_PASSING = frozenset({159, 160, 202, 209, 210, 236, 241, 252, 279, 394, 999})


def _without_trace(record: logging.LogRecord) -> bool:
    record.exc_info = None
    return True


# A server that is away is a line in the log; the library would add a trace to each attempt.
logging.getLogger("clickhouse_driver.connection").addFilter(_without_trace)


class Late(Unavailable):
    """The server's clock has passed the insert's deadline: another sink may own the batch by now."""


class ClickHouse:
    """One connection of the loader. Not for several threads."""

    def __init__(self, url: str) -> None:
        self._client = Client.from_url(url)
        self._client.connection.connect_timeout = 5
        self._client.connection.send_receive_timeout = 60

    def close(self) -> None:
        self._client.disconnect()

    def execute(
        self, query: str, columns: Sequence[Any] | None = None, settings: Mapping[str, Any] | None = None
    ) -> list[Any]:
        """Rows of a query; with `columns` an insert.

        Raises Unavailable when the server is away or overloaded, Late past the deadline, Fatal for what will fail
        again in the same way.
        """
        with _errors():
            if columns is None:
                return list(self._client.execute(query, settings=settings))
            self._client.execute(query, columns, columnar=True, settings=settings)
            return []

    def now(self) -> datetime:
        """The server's clock, UTC."""
        return self.execute(statement("now"))[0][0]  # type: ignore[no-any-return]  # rows are untyped

    def run(self, text: str, fields: Mapping[str, str]) -> None:
        """Run the statements of a text, its `${fields}` filled in."""
        for query in Template(text).substitute(fields).split(";\n"):
            if any(line.strip() and not line.strip().startswith("--") for line in query.splitlines()):
                self.execute(query)


@contextmanager
def _errors() -> Iterator[None]:
    try:
        yield
    except ServerException as error:
        message = str(error).split("Stack trace")[0].strip()
        if error.code == _THROW_IF and "deadline" in message:
            raise Late("ClickHouse refused an insert after its deadline", retry_after=1) from error
        if error.code in _PASSING:
            raise Unavailable(f"ClickHouse: {message}", retry_after=1) from error
        raise Fatal(f"ClickHouse: {message}") from error
    except TypeMismatchError as error:
        raise Fatal(f"a value does not fit its column: {error}") from error
    except (Error, OSError, EOFError) as error:
        raise Unavailable(f"ClickHouse does not answer: {error}", retry_after=1) from error
