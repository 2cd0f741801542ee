"""The partitions that this worker owns at the moment: opened, folded chunk by chunk, and given back."""

import asyncio
import logging
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field

from schemas import Domain, Fatal, HeadraceError, Unavailable, encode, reach
from streams.folding import Changes, Folder, Record
from streams.gauges import Gauges
from streams.group import Membership
from streams.loading import Loader
from streams.writer import ChunkWriter

_log = logging.getLogger(__name__)

_COMMIT_SECONDS = 45.0


@dataclass(frozen=True, slots=True)
class Chunk:
    """A run of records of one partition: all that the topic has from offset `start` up to, without, `end`.

    Between records there may be offsets without one: transaction markers, aborted or compacted records.
    """

    records: Sequence[Record]
    start: int
    end: int


@dataclass(eq=False)
class Partition:
    """State of one owned partition. `next` is the offset up to which `rows` and `held` have been folded."""

    number: int
    writer: ChunkWriter
    membership: Membership
    rows: tuple[dict[bytes, bytes], ...]
    held: dict[bytes, bytes] = field(default_factory=dict)
    next: int = 0
    commit: "asyncio.Future[None] | None" = None

    def apply(self, changes: Changes, end: int) -> None:
        """Take over what a chunk that ended at `end` has changed."""
        for rows, changed in zip(self.rows, changes.rows, strict=True):
            rows.update((key, value) for key, value in changed.items() if value is not None)
            for key in [key for key, value in changed.items() if value is None]:
                rows.pop(key, None)
        self.held.update((key, encode(letter.held())) for key, letter in changes.held.items())
        self.next = end


class Assignment:
    """Owns the open partitions. Used from one event loop; blocking work goes to its threads.

    `fail` is called with the first error after which the worker cannot go on: it must end and be started again,
    since its rows in memory may then be ahead of what was committed.
    """

    def __init__(
        self, kafka: str, domain: Domain, folder: Folder, gauges: Gauges, fail: Callable[[HeadraceError], None]
    ) -> None:
        self._kafka, self._domain, self._folder, self._gauges, self._fail = kafka, domain, folder, gauges, fail
        self._open: dict[int, Partition] = {}
        self._threads = ThreadPoolExecutor(domain.partitions, "headrace-fold")
        self._opening = asyncio.Lock()
        self._working: set[asyncio.Future[None]] = set()
        self._ended = False

    def offsets(self) -> dict[int, int]:
        """The offset at which to go on reading, of each open partition."""
        return {number: partition.next for number, partition in self._open.items()}

    def rows(self, table: int) -> list[dict[bytes, bytes]]:
        """The encoded rows of one table, by its place among the folds, in each open partition."""
        return [partition.rows[table] for partition in self._open.values()]

    async def open(self, numbers: Iterable[int], membership: Membership) -> None:
        """Take partitions over: fence the former owner, read the committed offset, load the rows.

        When cancelled (another rebalance) the work in its thread ends soon and its result is dropped. Raises
        Unavailable when Kafka does not answer, Fatal when the events topic does not fit the committed offset.
        """
        async with self._opening:
            await self.close()
            cancelled = asyncio.Event()
            loop = asyncio.get_running_loop()
            work = loop.run_in_executor(None, self._load, sorted(numbers), membership, cancelled.is_set)
            try:
                opened = await asyncio.shield(work)
            except asyncio.CancelledError:
                # The thread must end before the next attempt, or it would fence that attempt's producers.
                cancelled.set()
                with suppress(Exception):
                    await self._release(await work)
                raise
            self._open = {partition.number: partition for partition in opened}
            for partition in opened:
                self._gauges.opened(partition.number, partition.next, len(partition.held))

    def _load(self, numbers: Sequence[int], membership: Membership, cancelled: Callable[[], bool]) -> list[Partition]:
        if not numbers:
            _log.info("%s: no partition is assigned to this worker; it stands by", self._domain.key)
            return []

        def given_up() -> bool:
            return self._ended or cancelled()

        opened = [self._new(number, membership, given_up) for number in numbers]
        try:
            self._take_over(opened, given_up)
        except BaseException:
            for partition in opened:
                partition.writer.close()
            raise
        reach("fold.recovered")
        return opened

    def _new(self, number: int, membership: Membership, given_up: Callable[[], bool]) -> Partition:
        aggregates = self._folder.aggregates
        writer = ChunkWriter(self._kafka, self._domain, aggregates, number, given_up)
        return Partition(number, writer, membership, tuple({} for _ in aggregates))

    def _take_over(self, opened: Sequence[Partition], given_up: Callable[[], bool]) -> None:
        started = time.monotonic()
        with ThreadPoolExecutor(len(opened)) as threads:
            list(threads.map(lambda partition: partition.writer.fence(), opened))
        with Loader(self._kafka, self._domain, given_up) as loader:
            committed = loader.committed([partition.number for partition in opened])
            into = {(self._domain.held_topic, p.number): p.held for p in opened}
            tables = [self._domain.aggregate_topic(aggregate) for aggregate in self._folder.aggregates]
            for index, topic in enumerate(tables):
                into |= {(topic, p.number): p.rows[index] for p in opened}
            marks = loader.load(into)
            for partition in opened:
                number = partition.number
                positions = {marks[topic, number] for topic in tables}
                partition.next = self._start(number, committed[number], positions)
                partition.writer.position = max(positions)
                loader.check(number, partition.next)
        _log.info(
            "%s: partitions %s loaded in %.1f s: %s rows, %d keys held",
            self._domain.key,
            ", ".join(str(partition.number) for partition in opened),
            time.monotonic() - started,
            f"{sum(len(rows) for p in opened for rows in p.rows):,}",
            sum(len(p.held) for p in opened),
        )

    def _start(self, number: int, committed: int, marks: set[int]) -> int:
        """Where to read on. Every chunk marks all tables with one position: other marks are no committed state."""
        if committed == 0 or (len(marks) == 1 and marks != {0}):
            return committed
        _log.warning(
            "%s: tables of partition %d were emptied (complete up to %s, committed %d): folding from the start",
            self._domain.key,
            number,
            sorted(marks),
            committed,
        )
        return 0

    async def process(self, number: int, chunk: Chunk) -> None:
        """Fold a chunk and begin its transaction; at most one transaction a partition is under way.

        Never raises: what ends the work goes to `fail`. A chunk of a partition that is no longer open is dropped.
        """
        try:
            await self._process(number, chunk)
        except HeadraceError as error:
            self._end(error)
        except Exception as error:
            _log.exception("unexpected error while folding partition %d", number)
            self._end(Fatal(f"unexpected error while folding partition {number}: {error!r}"))

    async def _process(self, number: int, chunk: Chunk) -> None:
        partition = self._open.get(number)
        if self._ended or partition is None or chunk.end <= partition.next:
            return
        if chunk.start != partition.next:
            raise Fatal(f"partition {number}: expected records from offset {partition.next}, got {chunk.start}")
        reach("fold.read")
        changes = self._folder.run(chunk.records, partition.rows, partition.held)
        reach("fold.folded")
        if partition.commit is not None:
            await partition.commit
        if self._open.get(number) is not partition or self._ended:
            return
        partition.apply(changes, chunk.end)
        if changes.held:
            key, letter = next(iter(changes.held.items()))
            _log.error(
                "%s: %d keys are held from now on; the first is %r at position %d: %s",
                self._domain.key,
                len(changes.held),
                key,
                letter.position,
                letter.error,
            )
        partition.commit = asyncio.ensure_future(self._commit(partition, changes, chunk.end))

    async def _commit(self, partition: Partition, changes: Changes, end: int) -> None:
        work = asyncio.get_running_loop().run_in_executor(
            self._threads, partition.writer.commit, changes, end, partition.membership
        )
        self._working.add(work)
        work.add_done_callback(self._done)
        try:
            # A library's call may outlive its own time limit, so the limit is kept here.
            await asyncio.wait_for(asyncio.shield(work), _COMMIT_SECONDS)
        except TimeoutError:
            self._end(Unavailable(f"Kafka did not take a chunk of partition {partition.number} in {_COMMIT_SECONDS} s"))
        except HeadraceError as error:
            self._end(error)
        except Exception as error:
            _log.exception("unexpected error while committing partition %d", partition.number)
            self._end(Fatal(f"unexpected error while committing partition {partition.number}: {error!r}"))
        else:
            self._gauges.committed(partition.number, changes, end)

    def _done(self, work: "asyncio.Future[None]") -> None:
        self._working.discard(work)
        if not work.cancelled():
            work.exception()  # seen, also when nobody waits for it any more

    @property
    def stuck(self) -> bool:
        """Whether a thread still waits for Kafka."""
        return bool(self._working)

    async def close(self) -> None:
        """Give all partitions back, after the transactions that are under way."""
        closing, self._open = list(self._open.values()), {}
        self._gauges.closed()
        commits = [partition.commit for partition in closing if partition.commit is not None]
        if commits:
            await asyncio.wait(commits)
        await self._release(closing)

    async def _release(self, partitions: Iterable[Partition]) -> None:
        loop = asyncio.get_running_loop()
        await asyncio.gather(*(loop.run_in_executor(None, partition.writer.close) for partition in partitions))

    def _end(self, error: HeadraceError) -> None:
        if not self._ended:
            self._ended = True
            self._fail(error)

    def end(self) -> None:
        """Stop waiting for a broker that does not answer, and take no further chunk."""
        self._ended = True
