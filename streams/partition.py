"""The state of one owned partition number."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from schemas import Control, reach
from streams.changes import Changes, Holds
from streams.engine import Work
from streams.group import Membership
from streams.redriving import Redriver
from streams.store import MemoryTable, Store
from streams.writer import ChunkWriter


@dataclass(eq=False)
class Partition:
    """State of one owned partition number. `next` has the offsets up to which `store` and `held` have been folded,
    `commit` is the transaction under way, `busy` that and the rest after it."""

    number: int
    writer: ChunkWriter
    membership: Membership
    store: Store
    held: MemoryTable = field(default_factory=MemoryTable)
    work: Work = field(init=False)
    next: dict[str, int] = field(default_factory=dict)
    commit: "asyncio.Future[None] | None" = None
    busy: "asyncio.Future[None] | None" = None
    mark: Control | None = None
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)  # of who folds
    redriver: Redriver = field(init=False)

    @property
    def rows(self) -> Sequence[Mapping[bytes, bytes]]:
        """Row key to encoded row, one mapping a table of the group."""
        return self.store.rows

    @property
    def position(self) -> int:
        """All that belongs here up to this position is in the rows, or held."""
        return 0 if self.mark is None else self.mark.position

    def apply(self, changes: Changes, holds: Holds, topic: str, end: int) -> None:
        """Take over what a chunk that ended at `end` of `topic` has changed."""
        self.store.apply(changes.rows)
        self.held.load(holds.items())
        if changes.mark is not None and changes.mark.position > self.position:
            self.mark = changes.mark
        self.work.apply(changes)
        self.next[topic] = end

    def write(self, changes: Changes, holds: Holds, topic: str, end: int) -> None:
        """Commit what was applied, then let the store keep it. Blocks."""
        self.writer.commit(changes, holds, topic, end, self.membership)
        self.store.settle(self.writer.ends, changes.mark)
        reach("fold.settled")

    def close(self) -> None:
        """Let go of producer and files. Blocks."""
        self.writer.close()
        self.store.close()
