"""Rounds: a batch of each partition that has one, inserted by a thread while the next round is formed."""

import time
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime

from schemas import reach
from sinks.clickhouse import ClickHouse
from sinks.forming import Inserts
from sinks.inserting import Inserting
from sinks.pace import Pace
from sinks.partition import Batch, Partition
from sinks.progress import Progress, Reached
from sinks.targets import Target

# Of small rounds one begins at most every so many times what inserting the last one took: on its own an insert costs
# about what a thousand rows do, and ClickHouse would spend all its time on them. So batches grow where it is slow.
_SPARING, _MOST_SPARED = 4.0, 0.3
LARGE = 5_000  # records, which are worth a round at once


@dataclass(frozen=True)
class Formed:
    """A batch of a partition, and what it becomes."""

    partition: Partition
    batch: Batch
    inserts: Inserts

    @property
    def inserted(self) -> bool:
        """Whether it has rows: control records alone have none, and nothing is announced for them."""
        return bool(self.inserts.each)


class Rounds:
    """Inserts one round after the other over one connection, which nobody else may use while one is under way.

    What an insert raises is raised by `settle`.
    """

    def __init__(self, clickhouse: ClickHouse, target: Target) -> None:
        self.inserting, self.progress = Inserting(clickhouse, target), Progress(clickhouse, target)
        self.pace = Pace(clickhouse, target)
        self._thread = ThreadPoolExecutor(1, thread_name_prefix=f"insert {target.topic}")
        self._under_way: tuple[Sequence[Formed], Future[None]] | None = None
        self._due = self._spared = self._took = 0.0

    def close(self) -> None:
        """Wait for what is under way, whatever becomes of it."""
        self._thread.shutdown()

    def wait(self, records: int) -> float:
        """Seconds until the next round may begin, with so many records: so that parts do not come faster than they can
        be merged, and small inserts leave time for others."""
        due = self._due if records >= LARGE else max(self._due, self._spared)
        return max(0.0, due - time.monotonic())

    @property
    def resting(self) -> bool:
        """Whether nothing is being inserted; a round that has ended may still have to be settled."""
        return self._under_way is None or self._under_way[1].done()

    def settle(self) -> None:
        """Wait until the round under way is in the tables. Raises as `Inserting.insert`."""
        if self._under_way is not None:
            (formed, future), self._under_way = self._under_way, None
            future.result()
            for each in formed:
                each.partition.loaded(each.batch)

    def begin(self, formed: Sequence[Formed], deadline: datetime, held: ExitStack) -> None:
        """Insert a round, whose bounds are announced, in the background; closes `held` once that has ended."""
        now = time.monotonic()
        self._due = now + self.pace.seconds * sum(len(each.inserts.each) for each in formed)
        self._spared = now + min(_SPARING * self._took, _MOST_SPARED)
        self._under_way = formed, self._thread.submit(self._insert, formed, deadline, held)

    def _insert(self, formed: Sequence[Formed], deadline: datetime, held: ExitStack) -> None:
        began = time.monotonic()
        with held:
            for each in formed:
                insert = self.inserting.recover if each.batch.again else self.inserting.insert
                insert(each.partition.number, each.batch.bounds, each.inserts, deadline)
        found = [
            Reached(each.partition.number, each.batch.bounds.epoch, each.batch.to, each.inserts.mark)
            for each in formed
            if each.inserts.mark
        ]
        if self.progress.write(found):
            reach("load.progressed")
        self._took = time.monotonic() - began
        self.pace.look()
