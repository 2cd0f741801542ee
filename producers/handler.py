"""The command handler: group commit for everything that arrives in one process for one domain."""

import asyncio
import time
from collections import deque
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from producers.cache import StreamCache
from producers.decider import Decider
from producers.processing import Processor, Result
from producers.requests import Receipt, Request
from producers.snapshots import Snapshots
from producers.store import EventStore
from schemas import Busy, Domain, HeadraceError, Unavailable

_BATCH_COMMANDS = 2_000
_BATCH_BYTES = 8_000_000
# What may wait: the decoded commands take several times the bytes of their input.
_PENDING_COMMANDS = 20_000
_PENDING_BYTES = 32_000_000
_LONGEST_PAUSE = 1.0


class _Submission:
    """Requests that came together, the results they wait for, and until when they bear an unavailable store."""

    __slots__ = ("deadline", "requests", "results", "size")

    def __init__(self, requests: Sequence[Request], deadline: float, results: asyncio.Future[list[Result]]) -> None:
        self.requests = requests
        self.deadline = deadline
        self.results = results
        self.size = sum([request.size for request in requests])

    def fail(self, error: Exception) -> None:
        if not self.results.done():
            self.results.set_exception(error)


class CommandHandler:
    """Handles commands of one domain. Commands that arrive while a commit is under way go into the next one.

    Deciding and storing run in a thread of their own, so that the event loop reads the next commands meanwhile.
    `cache_size` is the number of streams whose state is kept. Use it from one event loop only.
    """

    def __init__(self, domain: Domain, decider: Decider, store: EventStore, *, cache_size: int = 100_000) -> None:
        self.domain = domain
        self.decider = decider
        self._snapshots = Snapshots(domain, decider, store)
        self._processor = Processor(domain, decider, store, StreamCache(cache_size), self._snapshots)
        self._thread = ThreadPoolExecutor(1, f"append-{domain.name}")
        self._waiting: deque[_Submission] = deque()
        self._pending = self._pending_bytes = 0
        self._freed = asyncio.Event()
        self._committing: asyncio.Task[None] | None = None

    async def handle(self, request: Request) -> Receipt:
        """The receipt of one command, once it is durable.

        Raises HeadraceError: what refuses the command; Busy when too many wait already; Unavailable when the store
        does not answer: then the command may have been stored or not, and sending it again with its id is safe.
        """
        if self.full:
            waiting = f"{self._pending} commands of {self._pending_bytes} bytes wait already"
            raise Busy(waiting, rule="too-many-commands", retry_after=1.0)
        [result] = await self.submit([request])
        if isinstance(result, HeadraceError):
            raise result
        return result

    @property
    def full(self) -> bool:
        """Whether so much waits that no more should come."""
        return self._pending >= _PENDING_COMMANDS or self._pending_bytes >= _PENDING_BYTES

    async def room(self) -> None:
        """Wait until the handler is not full."""
        while self.full:
            self._freed.clear()
            await self._freed.wait()

    def submit(self, requests: Sequence[Request], *, patience: float = 0.0) -> asyncio.Future[list[Result]]:
        """Take commands in, to be handled in the order of all submissions; a result each is on its way.

        Bounding how many are on their way is the caller's part: see `full` and `room`. The future fails with
        Unavailable when the store did not answer for `patience` seconds.
        """
        results: asyncio.Future[list[Result]] = asyncio.get_running_loop().create_future()
        if not requests:
            results.set_result([])
            return results
        submission = _Submission(requests, time.monotonic() + patience, results)
        self._waiting.append(submission)
        self._pending += len(requests)
        self._pending_bytes += submission.size
        if self._committing is None:
            self._committing = asyncio.create_task(self._commit())
        return results

    async def close(self) -> None:
        """Wait until everything that was submitted has its result, and due snapshots are kept."""
        if self._committing is not None:
            await asyncio.wait([self._committing])
        self._thread.shutdown()
        self._snapshots.close()

    async def _commit(self) -> None:
        loop = asyncio.get_running_loop()
        try:
            while self._waiting:
                group = self._next_group()
                requests = [request for part in group for request in part.requests]
                try:
                    results = await loop.run_in_executor(self._thread, self._process, requests)
                except Unavailable as error:
                    await self._bear(group, error)
                except Exception as error:
                    self._done(group)
                    for part in group:
                        part.fail(error)
                else:
                    self._done(group)
                    start = 0
                    for part in group:
                        if not part.results.done():
                            part.results.set_result(results[start : start + len(part.requests)])
                        start += len(part.requests)
        finally:
            self._committing = None

    def _next_group(self) -> list[_Submission]:
        group = [self._waiting.popleft()]
        commands, size = len(group[0].requests), group[0].size
        while self._waiting:
            part = self._waiting[0]
            commands, size = commands + len(part.requests), size + part.size
            if commands > _BATCH_COMMANDS or size > _BATCH_BYTES:
                break
            group.append(self._waiting.popleft())
        return group

    def _done(self, group: list[_Submission]) -> None:
        self._pending -= sum(len(part.requests) for part in group)
        self._pending_bytes -= sum(part.size for part in group)
        self._freed.set()

    async def _bear(self, group: list[_Submission], error: Unavailable) -> None:
        """Fail those whose patience is at its end, put the others back in their order, and pause."""
        now = time.monotonic()
        failed = [part for part in group if part.deadline <= now]
        patient = [part for part in group if part.deadline > now]
        self._done(failed)
        for part in failed:
            part.fail(error)
        self._waiting.extendleft(reversed(patient))
        if patient:
            await asyncio.sleep(min(error.retry_after or _LONGEST_PAUSE, _LONGEST_PAUSE))

    def _process(self, requests: list[Request]) -> list[Result]:
        try:
            return self._processor.process(requests)
        except Unavailable:
            # Often only a connection that died while it was idle. The ids make sending it all again safe.
            for request in requests:
                request.retried = True
            return self._processor.process(requests)
