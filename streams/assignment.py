"""The partitions that this worker owns at the moment: opened, folded chunk by chunk, and given back.

Partitions of the same number of all the group's topics are one: opened, fenced, folded and given back together.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial

from schemas import Fatal, HeadraceError, Unavailable, reach
from streams.changes import Changes, Holds, Record
from streams.engine import Engine
from streams.gauges import Gauges
from streams.group import Group, Membership, Place
from streams.loading import Loader
from streams.partition import Partition
from streams.reading import Chunk
from streams.redriving import Redriver
from streams.store import Store, Table
from streams.writer import ChunkWriter

_log = logging.getLogger(__name__)

_COMMIT_SECONDS = 45.0
# After a transaction a partition rests as long again, so that where the broker is slow it gets fewer and larger ones.
_LONGEST_REST = 0.1


class Assignment:
    """Owns the open partitions. Used from one event loop; blocking work goes to its threads.

    `fail` is called with the first error after which the worker cannot go on: it must end and be started again,
    since its rows in memory may then be ahead of what was committed. `read_again` is called when a chunk is missing:
    the sources must be read from `offsets` again.
    """

    def __init__(
        self,
        kafka: str,
        group: Group,
        engine: Engine,
        stores: Callable[[int], Store],
        gauges: Gauges,
        fail: Callable[[HeadraceError], None],
        read_again: Callable[[], None],
    ) -> None:
        self._kafka, self._group, self._engine, self._gauges = kafka, group, engine, gauges
        self._stores, self._fail, self._read_again = stores, fail, read_again
        self._open: dict[int, Partition] = {}
        self._threads = ThreadPoolExecutor(group.partitions, "headrace-fold")
        self._opening = asyncio.Lock()
        self._working: set[asyncio.Future[None]] = set()
        self._ended = False

    def offsets(self) -> dict[Place, int]:
        """The offset at which to go on reading, of each open partition of each source."""
        return {
            (topic, number): next_
            for number, partition in self._open.items()
            for topic, next_ in partition.next.items()
        }

    def busy(self, number: int) -> "asyncio.Future[None] | None":
        """The transaction of a partition number that is under way, and the rest after it; None when there is none."""
        partition = self._open.get(number)
        busy = None if partition is None else partition.busy
        return None if busy is None or busy.done() else busy

    def rows(self, table: int) -> list[Mapping[bytes, bytes]]:
        """The encoded rows of one table, by its place in the group, in each open partition."""
        return [partition.rows[table] for partition in self._open.values()]

    async def open(self, numbers: Iterable[int], membership: Membership) -> None:
        """Take partitions over: fence the former owner, read the committed offsets, load the rows.

        When cancelled (another rebalance) the work in its thread ends soon and its result is dropped. Raises
        Unavailable when Kafka does not answer, Fatal when a source does not fit the committed offset.
        """
        async with self._opening:
            await self.close()
            self._gauges.loading()
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
            places = {(topic, p.number): (next_, len(p.held)) for p in opened for topic, next_ in p.next.items()}
            self._gauges.opened(
                {place: next_ for place, (next_, _) in places.items()},
                {place: held for place, (_, held) in places.items()},
            )
            for partition in opened:
                partition.redriver = self._redriver(partition)
                partition.redriver.wake()

    def _redriver(self, partition: Partition) -> Redriver:
        def owned() -> bool:
            return not self._ended and self._open.get(partition.number) is partition

        def hand_over(changes: Changes) -> None:
            source = self._group.sources[0]
            self._take_on(partition, changes, source, partition.next[source])

        return Redriver(
            f"{self._group.key}, partition {partition.number}", partition, self._engine.refold, owned, hand_over
        )

    def _load(self, numbers: Sequence[int], membership: Membership, cancelled: Callable[[], bool]) -> list[Partition]:
        if not numbers:
            _log.info("%s: no partition is assigned to this worker; it stands by", self._group.key)
            return []

        def given_up() -> bool:
            return self._ended or cancelled()

        opened = [self._new(number, membership, given_up) for number in numbers]
        try:
            self._take_over(opened, given_up)
        except BaseException:
            for partition in opened:
                partition.close()
            raise
        reach("fold.recovered")
        return opened

    def _new(self, number: int, membership: Membership, given_up: Callable[[], bool]) -> Partition:
        writer = ChunkWriter(self._kafka, self._group, number, given_up)
        return Partition(number, writer, membership, self._stores(number))

    def _take_over(self, opened: Sequence[Partition], given_up: Callable[[], bool]) -> None:
        started = time.monotonic()
        with ThreadPoolExecutor(len(opened)) as threads:
            list(threads.map(lambda partition: partition.writer.fence(), opened))
        group = self._group
        with Loader(self._kafka, group, given_up, self._gauges.loading_on) as loader:
            committed = loader.committed([(topic, p.number) for p in opened for topic in group.sources])
            into: dict[Place, Table] = {(group.held, p.number): p.held for p in opened}
            for partition in opened:
                places = [(topic, partition.number) for topic in group.tables.values()]
                partition.store.open(partial(loader.changelogs, places))
                into |= zip(places, partition.store.tables, strict=True)
            marks = loader.load(into)
            for partition in opened:
                partition.store.ready()
                number = partition.number
                found = [marks[topic, number] for topic in group.tables.values()]
                positions = {0 if mark is None else mark.position for mark in found}
                partition.next = self._start(number, {t: committed[t, number] for t in group.sources}, positions)
                partition.writer.positions = dict.fromkeys(group.sources, max(positions))
                begun = any(partition.next.values())
                partition.mark = found[0] if begun else None
                partition.work = self._engine.begin(number, partition.rows, partition.mark)
                partition.next = {t: loader.check((t, number), next_) for t, next_ in partition.next.items()}
        _log.info(
            "%s: partitions %s loaded in %.1f s: %s records, %d keys held",
            self._group.key,
            ", ".join(str(partition.number) for partition in opened),
            time.monotonic() - started,
            f"{self._gauges.loaded:,}",
            sum(len(p.held) for p in opened),
        )

    def _start(self, number: int, committed: dict[str, int], marks: set[int]) -> dict[str, int]:
        """Where to read on. Every chunk marks all tables with one position: other marks are no committed state."""
        if not any(committed.values()) or (len(marks) == 1 and marks != {0}):
            return committed
        _log.warning(
            "%s: tables of partition %d were emptied (complete up to %s, committed %s): folding from the start",
            self._group.key,
            number,
            sorted(marks),
            committed,
        )
        return dict.fromkeys(committed, 0)

    async def process(self, topic: str, number: int, chunk: Chunk) -> None:
        """Fold a chunk and begin its transaction; at most one transaction a partition number is under way.

        Call it for one chunk at a time. Never raises: what ends the work goes to `fail`. A chunk of a partition that
        is no longer open is dropped.
        """
        try:
            await self._process(topic, number, chunk)
        except HeadraceError as error:
            self._end(error)
        except Exception as error:
            _log.exception("unexpected error while folding partition %d", number)
            self._end(Fatal(f"unexpected error while folding partition {number}: {error!r}"))

    async def _process(self, topic: str, number: int, chunk: Chunk) -> None:
        partition = self._open.get(number)
        if self._ended or partition is None or chunk.end <= partition.next[topic]:
            return
        if chunk.start > partition.next[topic]:
            self._read_again()
            return
        if chunk.start < partition.next[topic]:
            chunk = chunk.after(partition.next[topic])
        reach("fold.read")
        records = chunk.records
        while await self._fold(partition, topic, records, chunk.end):
            records = ()

    async def _fold(self, partition: Partition, topic: str, records: Sequence[Record], end: int) -> bool:
        """Fold records and begin to commit what changed, with `end` as offset; answers whether there is more to do."""
        async with partition.turn:
            changes = partition.work.run(topic, records, partition.rows, partition.held)
            reach("fold.folded")
            if partition.commit is not None:
                await partition.commit
            if self._open.get(partition.number) is not partition or self._ended:
                return False
            self._take_on(partition, changes, topic, end)
        if changes.requested:
            partition.redriver.wake()
        return changes.behind

    def _take_on(self, partition: Partition, changes: Changes, topic: str, next_: int) -> None:
        """Apply changes and begin their transaction; the one before must be done."""
        holds = changes.holds(partition.held)
        partition.apply(changes, holds, topic, next_)
        if changes.held:
            key, letter = next(iter(changes.held.items()))
            _log.error(
                "%s: %d keys are held from now on; the first is %r at position %d: %s",
                self._group.key,
                len(changes.held),
                key,
                letter.position,
                letter.error,
            )
        partition.commit = asyncio.ensure_future(self._commit(partition, changes, holds, topic, next_))
        partition.busy = asyncio.ensure_future(_spared(partition.commit))

    async def _commit(self, partition: Partition, changes: Changes, holds: Holds, topic: str, next_: int) -> None:
        work = asyncio.get_running_loop().run_in_executor(self._threads, partition.write, changes, holds, topic, next_)
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
            self._gauges.committed((topic, partition.number), changes, next_, len(partition.held))

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
        self._gauges.joining()
        commits = [partition.commit for partition in closing if partition.commit is not None]
        if commits:
            await asyncio.wait(commits)
        await self._release(closing)

    async def _release(self, partitions: Iterable[Partition]) -> None:
        loop = asyncio.get_running_loop()
        await asyncio.gather(*(loop.run_in_executor(None, partition.close) for partition in partitions))

    def _end(self, error: HeadraceError) -> None:
        if not self._ended:
            self._ended = True
            self._fail(error)

    def end(self) -> None:
        """Stop waiting for a broker that does not answer, and take no further chunk."""
        self._ended = True


async def _spared(commit: "asyncio.Future[None]") -> None:
    """A transaction, and then a rest."""
    began = time.monotonic()
    await asyncio.wait([commit])
    await asyncio.sleep(min(time.monotonic() - began, _LONGEST_REST))
