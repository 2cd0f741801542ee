"""The past of all domains, as the HTTP API looks into it."""

import asyncio
import logging
import threading
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeVar

from infra.asof.domain import DomainPast
from infra.asof.editions import Cache
from infra.config import Settings
from infra.keys import subject_keys
from infra.stack import Addresses
from schemas import Domain, HeadraceError, Unavailable
from sinks.query.past import Moment, Seen

_log = logging.getLogger(__name__)
T = TypeVar("T")
_THREADS = 2


@dataclass
class _Making:
    """An edition that is being made, and how far it is."""

    said: str
    future: "Future[str] | None" = None


class AsOf:
    """Looks into the past over the servers of the settings. Connects to nothing before it is asked. Close it.

    Editions are made one at a time, each by as many processes as there are cores.
    """

    def __init__(self, settings: Settings, at: Addresses) -> None:
        self._settings, self._at = settings, at
        self._keys = subject_keys(settings, at.postgres)
        self._looking = ThreadPoolExecutor(_THREADS, "as-of")
        self._making = ThreadPoolExecutor(1, "as-of-making")
        self._ended, self._local = threading.Event(), threading.local()
        self._pasts: list[DomainPast] = []
        self._cache = Cache(settings, at, self._ended.is_set)
        self._under_way: dict[str, _Making] = {}

    def start(self, domains: Iterable[Domain]) -> None:
        """Begin to drop what processes that were killed have left unfinished."""
        self._making.submit(self._clean_up, tuple(domains))

    def _clean_up(self, domains: Iterable[Domain]) -> None:
        try:
            self._cache.clean_up(domains)
        except HeadraceError as error:
            _log.warning("unfinished editions of the past are dropped later: %s", error.detail)

    def close(self) -> None:
        """Give up what is being made, and close the connections."""
        self._ended.set()
        self._making.shutdown(cancel_futures=True)
        self._looking.shutdown(cancel_futures=True)
        for past in self._pasts:
            past.close()
        self._cache.close()
        self._keys.close()

    async def moment(self, domain: Domain, asked: str) -> Moment:
        """The moment of a position or an instant. Raises Invalid, Gone, Unavailable."""
        return await self._look(domain, lambda past: past.moments.of(asked))

    async def row(self, domain: Domain, aggregate: str, key: str, moment: Moment) -> Seen | None:
        """One row, from the events of its partition key alone; None when it takes an edition."""
        position = moment.position
        return await self._look(domain, lambda past: past.rows.row(aggregate, key, position, past.stem(position)))

    async def edition(self, domain: Domain, moment: Moment, seconds: float) -> str:
        """The database of the edition as of a moment. Raises Unavailable while it is being made, Gone, Fatal."""
        stem, found = await self._look(domain, lambda past: past.find(moment.position))
        if found is not None:
            return found
        making = self._under_way.get(stem) or self._begin(domain, stem, moment.position)
        assert making.future is not None
        try:
            return await asyncio.wait_for(asyncio.shield(asyncio.wrap_future(making.future)), seconds)
        except TimeoutError as error:
            raise Unavailable(
                f"{domain.name} as of position {moment.position} is being made: {making.said}; ask again",
                rule="being-made",
                retry_after=1,
            ) from error

    def _begin(self, domain: Domain, stem: str, position: int) -> _Making:
        making = _Making(f"{len(self._under_way)} others come first" if self._under_way else "it has begun")

        def say(said: str) -> None:
            making.said = said

        def make() -> str:
            return self._see(domain, lambda past: self._cache.get(past, stem, position, say))

        making.future = self._making.submit(make)
        self._under_way[stem] = making
        making.future.add_done_callback(lambda _: self._under_way.pop(stem))
        return making

    async def _look(self, domain: Domain, see: Callable[[DomainPast], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._looking, self._see, domain, see)

    def _see(self, domain: Domain, see: Callable[[DomainPast], T]) -> T:
        """What is seen of a domain with the connections of this thread."""
        mine: dict[Domain, DomainPast] = self._local.__dict__.setdefault("pasts", {})
        if domain not in mine:
            mine[domain] = DomainPast(domain, self._settings, self._at, self._keys)
            self._pasts.append(mine[domain])
        return see(mine[domain])
