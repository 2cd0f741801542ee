"""Somebody with all rights on the database who alters history, past every trigger."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any

import psycopg2

from producers.store.hashing import NO_HASH, append_digest, event_hash
from schemas import Domain


class Tamperer:
    """Alters the history of one domain. `%(domain)s` stands for its key in the statements."""

    def __init__(self, connection: Any, domain: Domain) -> None:
        self._connection = connection
        self._domain = domain

    def run(self, statement: str, **values: Any) -> list[tuple[Any, ...]]:
        """Run a statement; answers its rows."""
        with self._connection.cursor() as cursor:
            cursor.execute(statement, {"domain": self._domain.key, **values})
            return cursor.fetchall() if cursor.description else []

    def set(self, position: int, **columns: Any) -> None:
        """Give columns of the event at a position other values."""
        for column, value in columns.items():
            self.put(position, column, value)

    def put(self, position: int, column: str, value: object) -> None:
        """Give one column of the event at a position another value."""
        where = "WHERE domain = %(domain)s AND position = %(at)s"
        self.run(f"UPDATE events SET {column} = %(value)s {where}", at=position, value=value)

    def move(self, position: int, to: int) -> None:
        """Give an event another position; `previous` of the event after it follows."""
        self.run(
            "UPDATE events SET position = %(to)s WHERE domain = %(domain)s AND position = %(at)s", at=position, to=to
        )
        self.run(
            "UPDATE events SET previous = %(to)s WHERE domain = %(domain)s AND previous = %(at)s", at=position, to=to
        )
        self.run(
            "UPDATE streams SET position = %(to)s WHERE domain = %(domain)s AND position = %(at)s", at=position, to=to
        )

    def swap(self, one: int, other: int) -> None:
        """Let two events change places, with all that refers to them but their commands."""
        self.move(one, 999)
        self.move(other, one)
        self.move(999, other)

    def delete(self, position: int) -> None:
        """Remove the event at a position."""
        self.run("DELETE FROM events WHERE domain = %(domain)s AND position = %(at)s", at=position)

    def shift(self, after: int, by: int) -> None:
        """Move all events after a position, the head with them."""
        order = "DESC" if by > 0 else "ASC"
        found = self.run(
            "SELECT position FROM events WHERE domain = %(domain)s AND position > %(after)s "
            f"ORDER BY position {order}", after=after,
        )  # fmt: skip
        for (position,) in found:
            self.move(position, position + by)
        self.run("UPDATE heads SET position = position + %(by)s WHERE domain = %(domain)s", by=by)

    def insert(self, position: int, like: int, **columns: Any) -> None:
        """Insert an event like another one."""
        self.run(
            "INSERT INTO events SELECT (jsonb_populate_record(e, jsonb_build_object('position', %(to)s))).* "
            "FROM events e WHERE domain = %(domain)s AND position = %(like)s",
            to=position, like=like,
        )  # fmt: skip
        if columns:
            self.set(position, **columns)

    def cut(self, after: int) -> None:
        """Remove all events after the end of an append, and set head, streams and answers to what they were then."""
        self.run("DELETE FROM events WHERE domain = %(domain)s AND position > %(after)s", after=after)
        self.run("DELETE FROM commands WHERE domain = %(domain)s AND position > %(after)s", after=after)
        self.settle()

    def settle(self) -> None:
        """Make heads and streams agree with the events that are left."""
        self.run("DELETE FROM streams WHERE domain = %(domain)s")
        self.run(
            "INSERT INTO streams (domain, stream, version, position, hash, partition_key) "
            "SELECT DISTINCT ON (stream) domain, stream, version, position, hash, partition_key FROM events "
            "WHERE domain = %(domain)s ORDER BY stream, position DESC"
        )
        self.run(
            "UPDATE heads h SET position = e.position, digest = e.digest, time = e.time FROM events e "
            "WHERE h.domain = %(domain)s AND e.domain = h.domain "
            "AND e.position = (SELECT max(position) FROM events WHERE domain = %(domain)s)"
        )

    def rewrite(self) -> None:
        """Recompute all hashes and digests, so that history is consistent again."""
        rows = self.run(
            "SELECT position, stream, version, command || ':' || number, partition_key, data, "
            "correlation, traceparent, time, watermark, digest IS NOT NULL "
            "FROM events WHERE domain = %(domain)s ORDER BY position"
        )
        tips: dict[str, bytes] = {}
        digest, append = NO_HASH, list[tuple[bytes, datetime]]()
        for position, stream, version, event, key, data, correlation, traceparent, time, watermark, ends in rows:
            before = tips.get(stream, NO_HASH)
            tips[stream] = event_hash(
                before, self._domain.key, stream, version, event, key, bytes(data), correlation, traceparent
            )
            append.append((tips[stream], watermark))
            if ends:
                digest = append_digest(digest, position - len(append) + 1, time, *zip(*append, strict=True))
                append.clear()
            self.set(position, hash=tips[stream], digest=digest if ends else None)
        self.settle()


@contextmanager
def tampering(postgres: str, domain: Domain) -> Iterator[Tamperer]:
    """A tamperer whose changes are committed at the end."""
    connection = psycopg2.connect(postgres)
    try:
        with connection, connection.cursor() as cursor:
            cursor.execute("SET session_replication_role = replica")
            yield Tamperer(connection, domain)
    finally:
        connection.close()
