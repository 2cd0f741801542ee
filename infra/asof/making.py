"""Makes an edition: all events up to a position folded anew, into a database of its own."""

from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass

from infra.config import Settings
from infra.history import Recorded
from infra.keys import subject_keys
from schemas import Domain, arm, reach
from sinks.clickhouse import ClickHouse
from sinks.editions import EditionRows, PastEditions
from streams.replay import Progress, Replayed, Task, fold_partition, replay

# A shorter history is folded at once, without processes, which take a second to begin.
_EVENTS = 20_000
# How long the events may take to be loaded so far.
_LOAD_SECONDS = 60.0
# Tells who waits how far it is.
Say = Callable[[str], None]


@dataclass(frozen=True)
class Filling:
    """Writes the rows of a partition into an edition. Picklable, to be called where the partition was folded."""

    domain: Callable[[], Domain]
    settings: Settings
    postgres: str
    clickhouse: str
    database: str

    def __call__(self, found: Replayed) -> int:
        """Write them; answers how many they are."""
        if self.settings.crash_point:
            arm(self.settings.crash_point)
        keys = subject_keys(self.settings, self.postgres)
        with closing(ClickHouse(self.clickhouse)) as clickhouse, closing(keys):
            rows = EditionRows(clickhouse, self.domain(), self.database, keys.opening)
            count = sum(rows.write(found.partition, name, table) for name, table in found.tables.items())
        reach("asof.filled")
        return count


def make(
    editions: PastEditions,
    domain: Domain,
    history: Recorded,
    filling: Filling,
    position: int,
    say: Say,
    given_up: Callable[[], bool],
) -> None:
    """Fill an empty edition with what there was at a position, and say that it is whole.

    Raises Fatal when the history is not whole, Unavailable when a server is away, or when it is given up.
    """
    if position:
        task = history.task(position, filling)
        if position <= _EVENTS:
            _fold_here(task, domain.partitions)
        else:
            replay(task, range(domain.partitions), show=lambda done: say(_folded(done, position)), given_up=given_up)
        say("waits until the events are loaded")
        editions.await_events(domain, position, _LOAD_SECONDS, given_up)
        editions.copy_events(
            domain, filling.database, position, lambda done: say(f"{done:,} of {position:,} events copied")
        )
    reach("asof.copied")
    editions.finish(filling.database)


def _fold_here(task: Task[int], partitions: int) -> None:
    with closing(task.source()) as source:
        for number in range(partitions):
            task.finish(fold_partition(task.folder(), source, number, task.mark, task.skips))


def _folded(done: Progress, position: int) -> str:
    return f"{min(done.records, position):,} of {position:,} events folded, {done.rate:,.0f}/s"
