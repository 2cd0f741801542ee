"""The cache of editions: each made once, whoever asks, and no more of them than are wanted."""

import logging
import threading
import time
from collections.abc import Callable, Iterable
from contextlib import closing, suppress

from infra.asof.domain import DomainPast
from infra.asof.making import Filling, Say, make
from infra.asof.moments import not_kept
from infra.config import Settings
from infra.stack import Addresses
from producers.store.locks import Locks
from schemas import Domain, Fatal, HeadraceError, Unavailable
from sinks.clickhouse import ClickHouse
from sinks.editions import PastEditions

_log = logging.getLogger(__name__)
_POLL_SECONDS = 0.2
# How the rules begin by which a history, or its archive, is not whole.
_NOT_WHOLE = ("history-", "archive-")


class Cache:
    """Makes editions. `given_up` says whether to end what is being made. Not for several threads."""

    def __init__(self, settings: Settings, at: Addresses, given_up: Callable[[], bool]) -> None:
        self._settings, self._at, self._given_up = settings, at, given_up
        self._locks = Locks(at.postgres)

    def close(self) -> None:
        """Close the connections."""
        self._locks.close()

    def get(self, past: DomainPast, stem: str, position: int, say: Say) -> str:
        """The database of an edition, made now when there is none.

        Raises Gone when events are not kept any more, Unavailable when a server is away or it is given up.
        """
        while (found := past.editions.find(stem)) is None:
            with self._locks.alone(_lock(stem)) as held:
                if held:
                    return past.editions.find(stem) or self._made(past, stem, position, say)
            say("another process makes it")
            time.sleep(_POLL_SECONDS)
            if self._given_up():
                raise Unavailable("the server is about to stop", rule="given-up", retry_after=1)
        return found

    def clean_up(self, domains: Iterable[Domain]) -> None:
        """Drop what killed processes have left unfinished. What is being made holds its lock."""
        with closing(ClickHouse(self._at.clickhouse)) as clickhouse:
            editions = PastEditions(clickhouse)
            for domain in domains:
                for database in editions.unfinished(domain):
                    stem = database.rpartition("_")[0]
                    with self._locks.alone(_lock(stem)) as held:
                        if held and editions.find(stem) != database:
                            editions.drop(database)

    def _made(self, past: DomainPast, stem: str, position: int, say: Say) -> str:
        editions, domain = past.editions, past.domain
        for database in editions.unfinished(domain):
            if database.startswith(f"{stem}_"):
                editions.drop(database)  # its maker is dead: this one holds the lock
        self.clean_up([domain])
        database = editions.begin(domain, stem)
        at = self._at
        filling = Filling(past.history.domain, self._settings, at.postgres, at.clickhouse, database)
        try:
            make(editions, domain, past.history, filling, position, say, self._given_up)
        except BaseException as error:
            with suppress(HeadraceError):  # what is left is dropped later
                editions.drop(database)
            if isinstance(error, Fatal) and error.rule.startswith(_NOT_WHOLE):
                raise not_kept(domain, position, error) from error
            raise
        # Aside: it waits for those who still read what is dropped, and they may be slow.
        threading.Thread(target=self._drop_oldest, args=(domain,), name="as-of-dropping", daemon=True).start()
        return database

    def _drop_oldest(self, domain: Domain) -> None:
        try:
            with closing(ClickHouse(self._at.clickhouse)) as clickhouse:
                PastEditions(clickhouse).drop_oldest(domain, self._settings.as_of_editions)
        except HeadraceError as error:  # another process may drop the same ones
            _log.warning("editions of the past are dropped later: %s", error.detail)


def _lock(stem: str) -> str:
    return f"headrace as of {stem}"
