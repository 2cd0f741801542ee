"""Folds the partitions of a domain in several processes."""

import gc
import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable, Iterable
from concurrent.futures import FIRST_COMPLETED, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import closing, suppress
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from schemas import Control, Unavailable
from streams.folding import Folder
from streams.replay.partition import Replayed, fold_partition
from streams.replay.source import Skips, Source

T = TypeVar("T")
_TICK_SECONDS = 0.1


@dataclass(frozen=True, kw_only=True)
class Task(Generic[T]):
    """A replay up to the position of `mark`. It is sent to other processes, so all of it must be picklable.

    `folder` and `source` are called where a partition is folded. So is `finish`, once a partition is folded: what it
    answers comes back, the rows do not unless it answers them.
    """

    folder: Callable[[], Folder]
    source: Callable[[], Source]
    mark: Control
    finish: Callable[[Replayed], T]
    skips: Skips


@dataclass(frozen=True)
class Progress:
    """How far a replay is: records read, partitions done, seconds since it began."""

    records: int
    partitions: int
    seconds: float

    @property
    def rate(self) -> float:
        """Records a second since the replay began."""
        return self.records / self.seconds if self.seconds else 0.0


class _Shared:
    """What the processes of a pool share: the records read, by partition number, and whether they are to stop."""

    def __init__(self, partitions: int) -> None:
        context = multiprocessing.get_context("spawn")
        self.done: Any = context.Array("q", partitions, lock=False)  # each number has one writer
        self.stop = context.Event()


def replay(
    task: Task[T],
    partitions: Iterable[int],
    *,
    processes: int = 0,
    show: Callable[[Progress], None] = lambda _: None,
    given_up: Callable[[], bool] = lambda: False,
) -> list[T]:
    """Fold these partitions; what `finish` answered for each, in their order.

    So many `processes` work at once; 0: one a core. `show` is told of the progress and `given_up` asked about ten times
    a second. Raises what a source or `finish` raises, and Unavailable when given up or when a process was killed. No
    process is left behind, not even when this one is killed.
    """
    numbers = list(partitions)
    processes = min(processes or os.cpu_count() or 1, len(numbers))
    shared, began = _Shared(max(numbers, default=0) + 1), time.monotonic()
    pool = ProcessPoolExecutor(
        processes, multiprocessing.get_context("spawn"), _begin, (shared.done, shared.stop, task)
    )
    with pool:
        try:
            waiting = {number: pool.submit(_fold, number) for number in numbers}
            open_ = set(waiting.values())
            while open_:
                done, open_ = wait(open_, _TICK_SECONDS, FIRST_COMPLETED)
                for future in done:
                    future.result()
                show(Progress(sum(shared.done), len(numbers) - len(open_), time.monotonic() - began))
                if open_ and given_up():
                    raise Unavailable("the replay was given up", rule="given-up")
            return [waiting[number].result() for number in numbers]
        except BrokenProcessPool as error:
            raise Unavailable("a process of the replay was ended from outside: begin again") from error
        finally:
            shared.stop.set()
            pool.shutdown(wait=False, cancel_futures=True)


# What a process of the pool works with: set once when it begins, before any partition.
_work: "list[tuple[Any, Any, Task[Any]]]" = []


def _begin(done: Any, stop: Any, task: Task[Any]) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the one who waits, who ends this
    threading.Thread(target=_end_with_parent, daemon=True).start()
    gc.disable()  # see `_fold`
    _work.append((done, stop, task))


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        with suppress(Exception):
            parent.join()
        os._exit(1)


def _fold(partition: int) -> Any:
    [(done, stop, task)] = _work

    def count(records: int) -> None:
        done[partition] += records
        gc.collect()

    folder = task.folder()
    # While a batch is folded, the collector would look again and again through all its records and rows, which is a
    # third of the processor time. Between batches there is little to look through: rows at rest are bytes.
    gc.collect()
    gc.freeze()
    with closing(task.source()) as source:
        found = fold_partition(folder, source, partition, task.mark, task.skips, count, stop.is_set)
    return task.finish(found)
