"""Reads a domain's history from Postgres for its verification. Every statement is a short transaction of its own."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, NamedTuple

from psycopg2.errors import QueryCanceled, UndefinedTable
from psycopg2.extensions import connection as Connection  # noqa: N812

from producers.sql import query
from producers.store.connections import FAULTS, READER, SESSION, connect, fault
from producers.store.hashing import NO_HASH
from schemas import Domain, Fatal

# Pages are read by key whatever the statistics say, and put together by hash. Look-ups after a finding may take long.
_OPTIONS = (
    f"{SESSION} -c statement_timeout=0 -c default_transaction_read_only=on -c jit=off -c enable_seqscan=off"
    " -c enable_bitmapscan=off -c enable_nestloop=off -c enable_mergejoin=off"
)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Point(NamedTuple):
    """The end of an append: position, rolling digest and time."""

    position: int = 0
    digest: bytes = NO_HASH
    time: datetime = _EPOCH


class EventsPage(NamedTuple):
    """What the check of a page of events says; `bad` is the first bad event, `bad_append` the first event of the
    first append with a bad digest, `end` the end of the page's last whole append, `commands` how many begin by then."""

    events: int
    bad: int | None
    bad_append: int | None
    end: Point | None
    commands: int


class SkipRow(NamedTuple):
    """A record of a skip: `intact` when it follows the one before it, `known` when there is such an event."""

    number: int
    event: str
    position: int
    stream: str
    version: int
    hash: bytes
    intact: bool
    known: bool


class Row(NamedTuple):
    """An event as a diagnosis sees it. `right` is the hash it should have; `home` the position that its command says;
    `before` are stream, version, partition key and hash of the event that `previous` names."""

    position: int
    previous: int
    version: int
    time: datetime
    number: int
    stream: str
    key: str
    command: str
    type: str
    hash: bytes
    digest: bytes | None
    right: bytes
    before: tuple[str, int, str, bytes] | None
    home: int | None
    mistyped: bool
    watermark: datetime
    correlation: str | None
    traceparent: str | None

    @property
    def id(self) -> str:
        """The event's id."""
        return f"{self.command}:{self.number}"


class Reader:
    """The statements of a verification on one connection.

    Methods raise Unavailable when Postgres does not answer, KeyboardInterrupt when a statement is cancelled.
    """

    def __init__(self, postgres: str, domain: Domain) -> None:
        self._key = domain.key
        try:
            self._connection: Connection = connect(postgres, _OPTIONS)
        except FAULTS as error:
            raise fault(error, READER) from error

    def __enter__(self) -> "Reader":
        return self

    def __exit__(self, kind: type[BaseException] | None, value: object, trace: TracebackType | None) -> None:
        self._connection.close()

    def head(self) -> tuple[Point | None, Point | None]:
        """The head row, and the last event (its digest empty when it has none), as of one moment."""
        row = self._again_unless(lambda row: row[:3] == row[3:], "proof_head")
        return _point(*row[:3]), _point(*row[3:])

    def start(self, position: int) -> Point:
        """The end of the last append at or before a position."""
        rows = self._all("proof_start", position=position)
        return _point(*rows[0]) or Point() if rows else Point()

    def forgotten(self) -> int:
        """Up to which position commands may have been forgotten, because their retention is over."""
        [position] = self._one("proof_forgotten")
        return max(int(position), 0)

    def check_events(self, after: Point, limit: int, forgotten: int) -> EventsPage:
        """Check the next `limit` events after the end of a good append; count commands after `forgotten`."""
        events, bad, bad_append, *end, commands = self._one(
            "proof_events", after=after.position, digest=after.digest, time=after.time, limit=limit, forgotten=forgotten
        )
        return EventsPage(events, bad, bad_append, _point(*end), commands)

    def check_streams(self, after: str, limit: int, upto: int) -> tuple[int, str | None, str | None, int]:
        """Check the next rows of streams: how many, the last, the first bad one, and their events up to `upto`."""
        streams, last, bad, events = self._again_unless(
            lambda row: row[2] is None, "proof_streams", after=after, limit=limit, upto=upto
        )
        return streams, last, bad, events

    def stream_row(self, stream: str) -> tuple[int, int, bool] | None:
        """A stream's row: version, position, and whether it says what the event there says; None when there is none."""
        found = self.ask("proof_stream", stream=stream)
        if found is not None and not found[2]:  # see `_again_unless`
            found = self.ask("proof_stream", stream=stream)
        return None if found is None else (found[0], found[1], found[2])

    def check_commands(
        self, after: str, limit: int, forgotten: int, upto: int
    ) -> tuple[int, str | None, str | None, int]:
        """Check the next remembered answers: how many, the last, the first bad one, and how many of them have their
        first event after `forgotten` and up to `upto`.
        """
        commands, last, bad, counted = self._again_unless(
            lambda row: row[2] is None, "proof_commands", after=after, limit=limit, forgotten=forgotten, upto=upto
        )
        return commands, last, bad, counted

    def check_remembered(self, after: int, limit: int, upto: int) -> tuple[int, int | None, int | None]:
        """Look for the command rows of the next events up to `upto`: how many events, the last, the first without."""
        events, last, bad = self._one("proof_unremembered", after=after, limit=limit, upto=upto)
        return events, last, bad

    def check_chain(self, stream: str, position: int, limit: int) -> tuple[int, int, int, int | None]:
        """Check the events of a stream back from a position: how many, the first, the one before it, the first bad."""
        events, first, before, bad = self._one("proof_chain", stream=stream, position=position, limit=limit)
        return events, first, before, bad

    def rows(self, after: int, limit: int) -> list[Row]:
        """The events at the `limit` positions after one, with all that a diagnosis compares."""
        return [_row(*values) for values in self._all("proof_rows", after=after, limit=limit)]

    def row(self, position: int) -> Row | None:
        """The event at a position."""
        return next(iter(self.rows(position - 1, 1)), None)

    def digests(self, positions: Sequence[int]) -> dict[int, bytes | None]:
        """The rolling digest stored at each of some positions; those without an event are left out."""
        rows = self._all("proof_digest", positions=list(positions))
        return {position: None if digest is None else bytes(digest) for position, digest in rows}

    def skips(self) -> list[SkipRow]:
        """The records of all skips, in their order."""
        return [SkipRow._make([*row[:5], bytes(row[5]), *row[6:]]) for row in self._all("proof_skips")]

    def ask(self, name: str, **values: Any) -> tuple[Any, ...] | None:
        """The first row of a look-up that only a diagnosis needs."""
        return next(iter(self._all(name, **values)), None)

    def _again_unless(self, right: Callable[[tuple[Any, ...]], bool], name: str, **values: Any) -> tuple[Any, ...]:
        """The one row; where it is not right, the statement is run once more.

        PostgreSQL plans a statement before it takes the snapshot: where an append makes a partition of the events in
        between, what rests on its events is seen and they are not.
        """
        row = self._one(name, **values)
        return row if right(row) else self._one(name, **values)

    def _one(self, name: str, **values: Any) -> tuple[Any, ...]:
        [row] = self._all(name, **values)
        return row

    def _all(self, name: str, **values: Any) -> list[tuple[Any, ...]]:
        try:
            with self._connection.cursor() as cursor:
                cursor.execute(query(name), {"domain": self._key, **values})
                return cursor.fetchall()
        except QueryCanceled:
            raise KeyboardInterrupt from None
        except UndefinedTable as error:
            raise Fatal("the database has no tables yet; `headrace prepare` makes them") from error
        except FAULTS as error:
            raise fault(error, READER) from error


def _point(position: int | None, digest: memoryview | None, time: datetime | None) -> Point | None:
    return None if position is None or time is None else Point(position, bytes(digest or b""), time)


def _row(*values: Any) -> Row:
    plain: list[Any] = [bytes(value) if isinstance(value, memoryview) else value for value in values]
    before = None if plain[12] is None else (plain[12], plain[13], plain[14], plain[15])
    return Row._make([*plain[:12], before, *plain[16:]])
