"""Faust's tables over the folded state: a store that shows it, and a recovery that loads it in bulk.

The table's changelog is the aggregate topic. Faust neither writes it (rows go out in the transaction of their
chunk) nor subscribes to it (it would fetch it record by record): its recovery only says when to load.
"""

import logging
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from itertools import chain
from typing import Any, Protocol, cast

import faust
from faust.stores import memory
from faust.tables.manager import TableManager
from faust.tables.recovery import Recovery
from faust.types import TP, StoreT, TopicT
from faust.types.transports import ConsumerT

_faust_log = logging.getLogger("faust.tables")  # what Faust's services say of themselves


class PartitionOpener(Protocol):
    """The app as the recovery needs it."""

    async def take_over(self) -> None:
        """Open the partitions that the group has assigned to this worker."""


class _Union(Mapping[bytes, bytes]):
    """Several mappings that have no key in common, as one; a ChainMap would copy all keys to iterate."""

    def __init__(self, parts: tuple[Mapping[bytes, bytes], ...]) -> None:
        self._parts = parts

    def __getitem__(self, key: bytes) -> bytes:
        for part in self._parts:
            value = part.get(key)
            if value is not None:
                return value
        raise KeyError(key)

    def __iter__(self) -> Iterator[bytes]:
        return chain.from_iterable(self._parts)

    def __len__(self) -> int:
        return sum(len(part) for part in self._parts)


class FoldedStore(memory.Store[bytes, bytes]):
    """Read-only view of one table: row key to encoded row, in all partitions that this worker owns."""

    logger = _faust_log

    def show(self, partitions: Iterable[Mapping[bytes, bytes]]) -> None:
        """Show the rows of these partitions from now on."""
        self.data = _Union(tuple(partitions))  # type: ignore[assignment]  # read only on purpose


class FoldedTable(faust.Table[bytes, bytes]):
    """Table whose store is a `FoldedStore`."""

    logger = _faust_log

    def _new_store(self) -> StoreT[bytes, bytes]:
        return FoldedStore("memory://", self.app, self, table_name=self.name, loop=self.loop)

    def show(self, partitions: Iterable[Mapping[bytes, bytes]]) -> None:
        """Show the rows of these partitions from now on."""
        cast(FoldedStore, self.data).show(partitions)


class BulkRecovery(Recovery):
    """Opens the assigned partitions where Faust would look for what is left to read of the changelogs."""

    logger = _faust_log

    async def _build_highwaters(self, consumer: ConsumerT, tps: set[TP], destination: Counter[TP], title: str) -> None:
        # Here and not in on_rebalance: heartbeats go on, so a long load does not cost the membership.
        if title == "active":
            await cast(PartitionOpener, self.app).take_over()
        await super()._build_highwaters(consumer, tps, destination, title)

    async def _wait(self, coro: Any, timeout: Any = None) -> None:  # noqa: ARG002  # as Faust calls it
        # Faust goes on after the timeout as if the work were done.
        await super()._wait(coro)


class BulkTableManager(TableManager):
    """Table manager that leaves the changelogs to `BulkRecovery`."""

    logger = _faust_log

    @property
    def recovery(self) -> Recovery:
        """The recovery service."""
        if self._recovery is None:
            self._recovery = BulkRecovery(self.app, self, beacon=self.beacon, loop=self.loop)
        return self._recovery

    async def on_start(self) -> None:
        """Start the tables at once (Faust waits a second for late ones)."""
        await self._update_channels()
        await self.recovery.start()

    async def _update_channels(self) -> None:
        self._tables_finalized.set()
        for table in self.values():
            # Those of ordinary agents are recovered by Faust.
            if not isinstance(table, FoldedTable) and table not in self._channels:
                changelog = table.changelog_topic.clone_using_queue(self.changelog_queue)
                self._channels[table] = changelog
                self.app.topics.add(cast(TopicT, changelog))
            await table.maybe_start()
        self._tables_registered.set()
