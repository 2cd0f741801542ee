"""Which store a worker keeps its tables in."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Literal

from streams.store import MemoryStore, Store

StoreKind = Literal["memory", "rocksdb"]


def stores_of(kind: StoreKind, topics: Sequence[str], directory: Path) -> Callable[[int], Store]:
    """Makes the store of a partition number, with one table for each changelog topic; files go below `directory`.

    No other process may use the directory.
    """
    if kind == "memory":
        return lambda _: MemoryStore(len(topics))
    from streams.rocks import Memory, RocksStore

    memory = Memory()
    return lambda number: RocksStore(directory / str(number), topics, memory)
