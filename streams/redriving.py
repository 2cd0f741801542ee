"""Does the refolds that are due on the open partitions, beside the chunks: chunks of other keys go on meanwhile."""

import asyncio
import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

from schemas import HeadraceError, reach
from streams.failures import read_held
from streams.refolding import Refold

if TYPE_CHECKING:
    from streams.changes import Changes
    from streams.partition import Partition

T = TypeVar("T")

_log = logging.getLogger(__name__)

_PAUSE_SECONDS = 2.0
_LAST_SECONDS = 5.0  # for what came while the key was folded; the partition waits for it


class Redriver:
    """One partition's refolds, one after the other. Used from one event loop; what blocks is done in threads.

    `begin` makes the refold of a key for a request, None where there is nothing to refold from. `owned` says whether
    the partition may still be changed. `hand_over` applies changes and begins their transaction.
    """

    def __init__(
        self,
        name: str,
        partition: "Partition",
        begin: Callable[[bytes, str], Refold | None],
        owned: Callable[[], bool],
        hand_over: Callable[["Changes"], None],
    ) -> None:
        self._name, self._partition, self._begin = name, partition, begin
        self._owned, self._hand_over = owned, hand_over
        self._working: asyncio.Future[None] | None = None

    def wake(self) -> None:
        """Begin with what is due, unless that is under way."""
        if self._working is None or self._working.done():
            self._working = asyncio.ensure_future(self._work())

    async def _work(self) -> None:
        while self._owned() and (due := self._next()) is not None:
            key, request = due
            try:
                refold = self._begin(key, request)
                if refold is None:
                    _log.warning("%s: %r cannot be refolded: this worker knows of no event store", self._name, key)
                    return
                await self._refold(refold)
            except Exception as error:  # the key stays held, and the request stays due
                detail = error.detail if isinstance(error, HeadraceError) else repr(error) or type(error).__name__
                _log.warning("%s: %r stays held, its refold is tried again: %s", self._name, key, detail)
                await asyncio.sleep(_PAUSE_SECONDS)

    def _next(self) -> tuple[bytes, str] | None:
        return next(((key, due) for key in self._partition.held if (due := self._due(key))), None)

    def _due(self, key: bytes) -> str:
        value = self._partition.held.get(key)
        return "" if value is None else read_held(value).due

    async def _refold(self, refold: Refold) -> None:
        partition = self._partition
        await _in_thread(lambda: refold.read(partition.position, self._given_up))
        reach("refold.read")
        async with partition.turn:
            if self._given_up():
                return
            async with asyncio.timeout(_LAST_SECONDS):
                await _in_thread(lambda: refold.read(partition.position, self._given_up))
            changes = await _in_thread(lambda: refold.changes(partition.rows, partition.mark))
            if partition.commit is not None:
                await partition.commit
            if self._given_up() or self._due(refold.key) != refold.request:
                return
            reach("refold.folded")
            self._hand_over(changes)
        state = "is held again" if refold.letter else "is released"
        _log.info("%s: %r was refolded up to position %d and %s", self._name, refold.key, refold.position, state)

    def _given_up(self) -> bool:
        return not self._owned()


async def _in_thread(work: Callable[[], T]) -> T:
    return await asyncio.get_running_loop().run_in_executor(None, work)
