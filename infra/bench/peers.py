"""Those who append beside us: a bare client as the floor, one transaction a command, the library eventsourcing."""

import importlib.util
import io
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any
from urllib.parse import unquote, urlsplit

import psycopg2

from infra.bench.sql import query
from producers.store import Write

MISSING = (
    "The library eventsourcing is not installed, so it is not measured beside Headrace; get it with "
    "`.venv/bin/python -m pip install -c infra/constraints.txt -e '.[bench]'`."
)


def has_eventsourcing() -> bool:
    """Whether the peer `eventsourcing` can be measured."""
    return importlib.util.find_spec("eventsourcing") is not None and importlib.util.find_spec("psycopg") is not None


class Plain:
    """The floor: the same rows by COPY into a table without an index, one commit a batch."""

    def __init__(self, url: str) -> None:
        self._connection = psycopg2.connect(url)
        self._connection.autocommit = True
        with self._connection.cursor() as cursor:
            cursor.execute(query("plain_table"))

    def append(self, writes: Sequence[Write]) -> int:
        """Store the events; answers how many."""
        lines = [
            f"{write.stream}\t{version}\t{write.partition_key}\t{write.command}\t{event.type}\t{event.hash.hex()}\t"
            f"{event.data.decode()}\n"
            for write in writes
            for version, event in enumerate(write.events, write.version + 1)
        ]
        with self._connection.cursor() as cursor:
            cursor.copy_expert(query("plain_copy"), io.StringIO("".join(lines)))
        return len(lines)

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()


class Naive:
    """One transaction a command: is the version as expected, is the command new, then the event, commit."""

    def __init__(self, url: str) -> None:
        self._connection = psycopg2.connect(url)
        with self._connection, self._connection.cursor() as cursor:
            cursor.execute(query("naive_tables"))

    def append(self, writes: Sequence[Write]) -> int:
        """Store the events; answers how many."""
        for write in writes:
            with self._connection, self._connection.cursor() as cursor:
                self._append(cursor, write)
        return len(writes)

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()

    def _append(self, cursor: Any, write: Write) -> None:
        cursor.execute(query("naive_version"), {"stream": write.stream})
        [(version,)] = cursor.fetchall()
        if version != write.version:
            raise AssertionError(f"{write.stream} has version {version}, not {write.version}")
        cursor.execute(query("naive_command"), {"command": write.command})
        for number, event in enumerate(write.events, version + 1):
            values = {
                "stream": write.stream,
                "version": number,
                "key": write.partition_key,
                "command": write.command,
                "type": event.type,
                "data": event.data.decode(),
            }
            cursor.execute(query("naive_event"), values)


@contextmanager
def eventsourcing_recorder(url: str, *, functions: bool) -> Iterator[Any]:
    """The library's PostgresApplicationRecorder, as its factory makes it; with `functions`, by its database function,
    the option that it has for speed."""
    from eventsourcing.postgres import PostgresApplicationRecorder, PostgresDatastore

    parts = urlsplit(url)
    with PostgresDatastore(
        dbname=parts.path.lstrip("/"),
        host=parts.hostname or "",
        port=parts.port or 5432,
        user=unquote(parts.username or ""),
        password=unquote(parts.password or ""),
        pool_size=5,
        max_overflow=10,
        originator_id_type="text",
        enable_db_functions=functions,
    ) as datastore:
        recorder = PostgresApplicationRecorder(
            datastore, events_table_name=f"peer_{'functions' if functions else 'events'}"
        )
        recorder.create_table()
        yield recorder


def stored_events(writes: Sequence[Write]) -> list[Any]:
    """The writes' events as the library wants them."""
    from eventsourcing.persistence import StoredEvent

    return [
        StoredEvent(write.stream, version, event.type, event.data)
        for write in writes
        for version, event in enumerate(write.events, write.version + 1)
    ]
