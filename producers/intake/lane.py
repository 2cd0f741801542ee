"""One partition that is owned: its commands on their way through the handler, and their answers in order."""

import asyncio
import math
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from typing import Any

from confluent_kafka import Message

from producers.handling.handler import CommandHandler
from producers.handling.requests import Request
from producers.handling.rounds import Result
from producers.intake.records import Entry, entry_of, records_of
from producers.intake.replies import Replies
from schemas import HeadraceError, reach

_PENDING_COMMANDS = 10_000
_PENDING_BYTES = 16_000_000
_TRANSACTION_COMMANDS = 5_000


class _Group:
    """Commands that were read together, and the results to come."""

    __slots__ = ("entries", "results", "size")

    def __init__(self, entries: list[Entry], results: asyncio.Future[list[Result]], size: int) -> None:
        self.entries, self.results, self.size = entries, results, size


class Lane:
    """Used from the event loop alone, except for `replies`. `fail` gets what ends the work, once.

    All that has its results goes into one transaction; meanwhile more may be read and handled.
    """

    def __init__(
        self,
        partition: int,
        replies: Replies,
        membership: Any,
        handler: CommandHandler,
        threads: Executor,
        fail: Callable[[HeadraceError], None],
    ) -> None:
        self.partition = partition
        self.replies = replies
        self.paused = False
        self._membership, self._handler, self._threads, self._fail = membership, handler, threads, fail
        self._groups: deque[_Group] = deque()
        self._commands = self._bytes = 0
        self._settling: asyncio.Task[None] | None = None

    @property
    def full(self) -> bool:
        """Whether so much waits for its answer that no more should be read."""
        return self._commands >= _PENDING_COMMANDS or self._bytes >= _PENDING_BYTES

    def take(self, messages: Sequence[Message]) -> None:
        """Hand the next records of the partition to the handler."""
        entries = [entry_of(self._handler.domain, message) for message in messages]
        reach("intake.read")
        requests = [entry.asked for entry in entries if isinstance(entry.asked, Request)]
        # They wait for Postgres as long as it takes: there is nobody to whom an error would be of use.
        results = self._handler.submit(requests, patience=math.inf)
        size = sum([len(message.value() or b"") for message in messages])
        self._groups.append(_Group(entries, results, size))
        self._commands, self._bytes = self._commands + len(entries), self._bytes + size
        if self._settling is None or self._settling.done():
            self._settling = asyncio.create_task(self._settle())

    async def finish(self, seconds: float) -> bool:
        """Wait until all that was taken is answered; whether that was done within `seconds`."""
        if self._settling is not None:
            await asyncio.wait([self._settling], timeout=seconds)
        return not self._groups

    async def abandon(self, seconds: float) -> bool:
        """Answer nothing more; whether a transaction under way has ended within `seconds`."""
        for group in self._groups:
            group.results.cancel()
        if self._settling is None:
            return True
        done, _ = await asyncio.wait([self._settling], timeout=seconds)
        return bool(done)

    async def _settle(self) -> None:
        try:
            while self._groups:
                await self._groups[0].results
                await self._answer()
        except asyncio.CancelledError:
            return
        except HeadraceError as error:
            self._fail(error)
        except Exception as error:
            self._fail(HeadraceError(f"a mistake in the intake of partition {self.partition}: {error!r}"))

    async def _answer(self) -> None:
        """Answer all groups from the first on that have their results."""
        settled: list[_Group] = []
        records, count = [], 0
        for group in self._groups:
            if not group.results.done() or count > _TRANSACTION_COMMANDS:
                break
            count += len(group.entries)
            records += records_of(self._handler.domain, group.entries, group.results.result())
            settled.append(group)
        reach("intake.handled")
        next_offset = (settled[-1].entries[-1].message.offset() or 0) + 1
        loop = asyncio.get_running_loop()
        await loop.run_in_executor(self._threads, self.replies.commit, records, next_offset, self._membership)
        for group in settled:
            self._groups.popleft()
            self._commands, self._bytes = self._commands - len(group.entries), self._bytes - group.size
