"""The command handler: group commit for everything that arrives in one process for one domain."""

import asyncio
import logging
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from producers.decider import Decider
from producers.handling.cache import StreamCache
from producers.handling.processing import Batch, Processor, Seal
from producers.handling.replaying import LongStreams
from producers.handling.requests import Receipt, Request
from producers.handling.rounds import Result
from producers.handling.snapshots import Snapshots
from producers.handling.waiting import Aside, Group, Submission
from producers.store import EventStore
from schemas import Busy, Domain, HeadraceError, Unavailable

log = logging.getLogger(__name__)

_BATCH_COMMANDS = 2_000
_BATCH_BYTES = 8_000_000
# What may wait: the decoded commands take several times the bytes of their input.
_PENDING_COMMANDS = 20_000
_PENDING_BYTES = 32_000_000
# Of so many that wait, the next are decided while the store is at work; fewer are better off in one commit with those
# that arrive meanwhile.
_PLENTY = 500
_LONGEST_PAUSE = 1.0
T = TypeVar("T")


class CommandHandler:
    """Handles commands of one domain. Commands that arrive while a commit is under way go into the next one.

    Deciding and storing run in threads of their own, so that the event loop reads the next commands meanwhile; when
    many wait, the next commit is decided while the one before is stored. A stream that takes long to replay is replayed
    aside: what rests on it waits, in its order, and the others go on.
    `cache_size` is the number of streams whose state is kept. Use it from one event loop only. `seal` seals personal
    fields; a domain that has any is not handled without.
    """

    def __init__(
        self,
        domain: Domain,
        decider: Decider,
        store: EventStore,
        *,
        cache_size: int = 100_000,
        seal: Seal | None = None,
    ) -> None:
        if domain.holds_personal and seal is None:
            raise ValueError(f"the commands of {domain.name} have personal fields: a handler needs what seals them")
        self.domain = domain
        self.decider = decider
        self._snapshots = Snapshots(domain, decider, store)
        self._processor = Processor(domain, decider, store, StreamCache(cache_size), self._snapshots, seal)
        self._threads = ThreadPoolExecutor(2, f"append-{domain.name}")
        self._aside = Aside(self._processor.streams_of)
        self._replaying = ThreadPoolExecutor(1, f"replay-{domain.name}")
        self._replays: set[asyncio.Task[None]] = set()
        self._waiting: deque[Submission] = deque()
        self._queued = self._pending = self._pending_bytes = 0
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

    @property
    def _plenty(self) -> bool:
        return self._queued >= _PLENTY

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
        submission = Submission(requests, time.monotonic() + patience, results)
        self._waiting.append(submission)
        self._queued += len(requests)
        self._pending += len(requests)
        self._pending_bytes += submission.size
        self._go_on()
        return results

    def _go_on(self) -> None:
        if self._committing is None and self._waiting:
            self._committing = asyncio.create_task(self._commit())

    async def close(self) -> None:
        """Wait until everything that was submitted has its result, and due snapshots are kept."""
        while working := [*self._replays, *([self._committing] if self._committing is not None else [])]:
            await asyncio.wait(working)
        self._threads.shutdown()
        self._replaying.shutdown()
        self._snapshots.close()

    async def _commit(self) -> None:
        following: Group | None = None
        try:
            while following is not None or self._waiting:
                group = following or self._next_group()
                following = await self._settle(group) if group.submissions else None
        finally:
            self._committing = None

    async def _settle(self, group: Group) -> Group | None:
        """Store a group and give its results; answers the next one if it has been decided meanwhile."""
        following: Group | None = None
        try:
            if group.batch is None and not self._plenty:
                results = await self._in_thread(self._finish, group)
            else:
                if group.batch is None:
                    group.batch = await self._in_thread(self._begin, group)
                storing = self._in_thread(self._finish, group)
                following = await self._follow(group.batch)
                results = await storing
        except Unavailable as error:
            if following is not None:
                self._put_back(following.submissions)
            await self._bear(group, error)
            return None
        except LongStreams as long:
            self._put_aside(group, long.streams)
            return None
        except Exception as error:
            self._fail(group.submissions, error)
        else:
            self._give(group, results)
        return following

    async def _follow(self, batch: Batch) -> Group | None:
        """Decide the group after `batch` when plenty waits."""
        if not self._plenty:
            return None
        group = self._next_group()
        if not group.submissions:
            return None
        try:
            group.batch = await self._in_thread(self._begin, group, batch)
        except Unavailable:
            self._put_back(group.submissions)
            return None
        except LongStreams as long:
            self._put_aside(group, long.streams)
            return None
        except Exception as error:
            self._fail(group.submissions, error)
            return None
        return group

    def _next_group(self) -> Group:
        group = Group(self._next_submissions())
        self._queued -= len(group.requests)
        return group

    def _next_submissions(self) -> list[Submission]:
        parts: list[Submission] = []
        commands = size = 0
        while self._waiting:
            part = self._waiting[0]
            if self._aside.concerns(part):
                self._aside.add(self._waiting.popleft())
                self._queued -= len(part.requests)
                continue
            commands, size = commands + len(part.requests), size + part.size
            if parts and (commands > _BATCH_COMMANDS or size > _BATCH_BYTES):
                break
            parts.append(self._waiting.popleft())
        return parts

    def _put_aside(self, group: Group, streams: Sequence[str]) -> None:
        """Replay streams aside; what rests on them waits for that, and the others are put back."""
        self._put_back(self._aside.sort(group.submissions, streams))
        self._aside.replays += 1
        replay = asyncio.create_task(self._replay_aside(streams))
        self._replays.add(replay)
        replay.add_done_callback(self._replays.discard)

    async def _replay_aside(self, streams: Sequence[str]) -> None:
        try:
            await asyncio.get_running_loop().run_in_executor(self._replaying, self._processor.warm, streams)
        except Exception as error:  # the commands find out by themselves
            log.warning("long streams of %s were not replayed aside: %r", self.domain.name, error)
        finally:
            self._aside.replays -= 1
            if not self._aside.replays:
                self._put_back(self._aside.release())
                self._go_on()

    def _put_back(self, submissions: Sequence[Submission]) -> None:
        self._waiting.extendleft(reversed(submissions))
        self._queued += sum(len(part.requests) for part in submissions)

    def _give(self, group: Group, results: list[Result]) -> None:
        self._done(group.submissions)
        start = 0
        for part in group.submissions:
            if not part.results.done():
                part.results.set_result(results[start : start + len(part.requests)])
            start += len(part.requests)

    def _fail(self, submissions: Sequence[Submission], error: Exception) -> None:
        self._done(submissions)
        for part in submissions:
            part.fail(error)

    def _done(self, submissions: Sequence[Submission]) -> None:
        self._pending -= sum(len(part.requests) for part in submissions)
        self._pending_bytes -= sum(part.size for part in submissions)
        self._freed.set()

    async def _bear(self, group: Group, error: Unavailable) -> None:
        """Fail those whose patience is at its end, put the others back in their order, and pause."""
        now = time.monotonic()
        self._fail([part for part in group.submissions if part.deadline <= now], error)
        patient = [part for part in group.submissions if part.deadline > now]
        self._put_back(patient)
        if patient:
            await asyncio.sleep(min(error.retry_after or _LONGEST_PAUSE, _LONGEST_PAUSE))

    def _in_thread(self, work: Callable[..., T], *arguments: object) -> asyncio.Future[T]:
        return asyncio.get_running_loop().run_in_executor(self._threads, work, *arguments)

    def _begin(self, group: Group, after: Batch | None = None) -> Batch:
        return self._processor.begin(group.requests, after, aside=not group.warmed)

    def _finish(self, group: Group) -> list[Result]:
        try:
            return self._processor.finish(group.batch or self._begin(group))
        except Unavailable:
            # Often only a connection that died while it was idle. The ids make sending it all again safe.
            for request in group.requests:
                request.retried = True
            return self._processor.process(group.requests)
