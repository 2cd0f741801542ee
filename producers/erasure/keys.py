"""The subjects' keys in Postgres: made at first use, asked for anew by every batch, and erased for good."""

import logging
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime

from psycopg2.extensions import connection as Connection  # noqa: N812

from producers.erasure.sealing import Key
from producers.sql import query
from producers.store.connections import KEYS, OWNER, Connections
from schemas import ERASED, SEALED, Domain

log = logging.getLogger(__name__)

# Any number that nothing else uses as an advisory lock: shared while values are opened and inserted, exclusive for a
# moment after a key was erased.
_LOCK = 7_203_551_016


class SubjectKeys:
    """Keys of all domains in the database at `postgres` (URL). `master` gives the master key, and is not called before
    a key is used. Safe for several threads; a context manager. All methods raise Unavailable when the database does not
    answer.

    Nothing is kept from one call to the next: what was erased is gone from here at once, too.
    """

    def __init__(self, postgres: str, master: Callable[[], bytes], connections: int = 8) -> None:
        self._connections = Connections(postgres, connections, KEYS)
        self._owner = Connections(postgres, 1, OWNER)
        self._master = master

    def __enter__(self) -> "SubjectKeys":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def of(self, domain: Domain, subjects: Collection[str]) -> dict[str, Key | None]:
        """The keys of subjects, made where there are none; None for those whose key was erased."""
        with self._connections.lend() as connection:
            rows = self._find(connection, domain, subjects)
            if missing := sorted(set(subjects) - rows.keys()):
                self._make(connection, domain, missing)
                rows |= self._find(connection, domain, missing)
        master = self._master()
        return {
            subject: None if wrapped is None else Key.unwrapped(id_, wrapped, master)
            for subject, (id_, wrapped) in rows.items()
        }

    @contextmanager
    def opening(self) -> Iterator[Callable[[Collection[str]], Mapping[str, str]]]:
        """Gives a function that says what each of some sealed values is: `ERASED` where the key is erased.

        Until the context ends, no erasure goes on to look for what was written of it (see `settle`).
        """
        with self._connections.lend() as connection, connection.cursor() as cursor:
            cursor.execute(query("keys_hold"), {"lock": _LOCK})
            yield lambda values: self._open(connection, values)
            cursor.execute(query("keys_release"), {"lock": _LOCK})

    def erased(self, domain: Domain, subject: str) -> tuple[str, datetime | None] | None:
        """Id of the subject's key and the instant when it was erased; None when it never had one."""
        with self._connections.lend() as connection, connection.cursor() as cursor:
            cursor.execute(query("keys_of"), {"domain": domain.key, "subject": subject})
            row = cursor.fetchone()
            return None if row is None else (row[0], row[1])

    def erase(self, domain: Domain, subject: str) -> None:
        """Erase the subject's key; nothing when that was done before. From then on no other can be made for it."""
        with self._connections.lend() as connection, connection.cursor() as cursor:
            cursor.execute(query("keys_erase"), {"domain": domain.key, "subject": subject})
        with self._owner.lend() as connection, connection.cursor() as cursor:
            cursor.execute(query("keys_vacuum"))

    def settle(self) -> None:
        """Wait until whoever opened values with keys from before has ended what it does with them."""
        with self._connections.lend() as connection, connection.cursor() as cursor:
            cursor.execute(query("keys_settle"), {"lock": _LOCK})

    def records(self, domain: Domain) -> list[bytes]:
        """The records of completed erasures, in their order."""
        with self._connections.lend() as connection, connection.cursor() as cursor:
            cursor.execute(query("erasures"), {"domain": domain.key})
            return [bytes(record) for (record,) in cursor]

    def add_record(self, domain: Domain, number: int, subject: str, record: bytes) -> bool:
        """Add a record; whether it was added: not when there is one of that number or subject."""
        values = {"domain": domain.key, "number": number, "subject": subject, "record": record}
        with self._connections.lend() as connection, connection.cursor() as cursor:
            cursor.execute(query("erasures_add"), values)
            return cursor.rowcount == 1

    def close(self) -> None:
        """Close the connections."""
        self._connections.close()
        self._owner.close()

    def _find(
        self, connection: Connection, domain: Domain, subjects: Collection[str]
    ) -> dict[str, tuple[str, bytes | None]]:
        with connection.cursor() as cursor:
            cursor.execute(query("keys_find"), {"domain": domain.key, "subjects": list(subjects)})
            return {subject: (id_, None if key is None else bytes(key)) for subject, id_, key in cursor}

    def _make(self, connection: Connection, domain: Domain, subjects: list[str]) -> None:
        fresh, master = [Key.fresh() for _ in subjects], self._master()
        values = {
            "domain": domain.key,
            "subjects": subjects,
            "ids": [key.id for key in fresh],
            "keys": [key.wrapped(master) for key in fresh],
        }
        with connection.cursor() as cursor:
            cursor.execute(query("keys_make"), values)

    def _open(self, connection: Connection, values: Collection[str]) -> dict[str, str]:
        named = {value: found[1] for value in values if (found := SEALED.fullmatch(value))}
        if not named:
            return {}
        with connection.cursor() as cursor:
            cursor.execute(query("keys_open"), {"ids": list(set(named.values()))})
            rows = cursor.fetchall()
        master = self._master() if rows else b""
        keys = {id_: Key.unwrapped(id_, bytes(wrapped), master) for id_, wrapped in rows}
        return {value: _opened(keys.get(id_), value) for value, id_ in named.items()}


def _opened(key: Key | None, value: str) -> str:
    if key is None:
        return ERASED
    try:
        return key.open(value)
    except ValueError as error:
        log.error("a sealed value stays sealed: %s", error)
        return value
