"""Folds a history in memory: in one piece, or as it may come to pass in operation."""

from collections.abc import Sequence
from random import Random
from typing import Any, NamedTuple

from schemas import WATERMARK_KEY, Control, Envelope, encode
from streams.changes import Changes
from streams.folding import Folder
from streams.store import MemoryTable
from streams.windows import OpenWindows


class Record(NamedTuple):
    """A record of an events topic."""

    key: bytes
    value: bytes
    offset: int


class Partition:
    """The tables of one partition. `held` has the error of each key that is held."""

    def __init__(self, folder: Folder) -> None:
        self.folder = folder
        self.windows = OpenWindows()
        self.rows = tuple(MemoryTable() for _ in (*folder.folds, None))
        self.held: dict[bytes, str] = {}

    def fold(self, records: Sequence[Record]) -> None:
        """Fold a chunk."""
        while self._run(records).behind:
            records = []

    def _run(self, records: Sequence[Record]) -> Changes:
        changes = self.folder.run(records, self.rows, self.held, self.windows)
        self.take(changes)
        return changes

    def take(self, changes: Changes) -> None:
        """Take over what has changed."""
        for rows, changed in zip(self.rows, changes.rows, strict=True):
            rows.load(changed.items())
        self.held.update({key: letter.error for key, letter in changes.held.items()})
        for key in changes.released:
            self.held.pop(key, None)
        self.windows.move(changes.mark, changes.closed, changes.opened, changes.kept, changes.forgotten)

    def fold_some(self, records: Sequence[Record]) -> None:
        """Fold a chunk, and die before all windows that are due by then have their final mark."""
        self._run(records)
        self.restart()

    def restart(self) -> None:
        """Forget all but what a worker writes."""
        self.windows = self.folder.open_windows(self.rows, self.windows.mark)


def event(envelope: Envelope[Any], offset: int = 0) -> Record:
    """The record of an event."""
    return Record(envelope.partitionkey.encode(), encode(envelope), offset)


def control(envelope: Envelope[Any], offset: int = 0) -> Record:
    """The control record that says how far a partition is: up to this event."""
    return Record(WATERMARK_KEY, encode(mark_of(envelope)), offset)


def mark_of(envelope: Envelope[Any]) -> Control:
    """What an event says of its domain: up to where it is."""
    return Control(position=envelope.position, time=envelope.time, watermark=envelope.watermark)


def whole(folder: Folder, events: Sequence[Envelope[Any]]) -> Partition:
    """One partition that has got all events at once."""
    partition = Partition(folder)
    partition.fold([event(envelope, offset) for offset, envelope in enumerate(events)])
    return partition


def played(folder: Folder, events: Sequence[Envelope[Any]], random: Random) -> list[Partition]:
    """Several partitions that have got all events in chunks, some twice, with control records and restarts between."""
    partitions = [Partition(folder) for _ in range(random.randint(1, 4))]
    topic: list[list[Record]] = [[] for _ in partitions]
    homes: dict[str, int] = {}
    for envelope in events:
        home = homes.setdefault(envelope.partitionkey, random.randrange(len(partitions)))
        topic[home].append(event(envelope, len(topic[home])))
        for records in topic:
            if random.random() < 0.2 and records is not topic[home]:
                records.append(control(envelope, len(records)))
    for partition, records in zip(partitions, topic, strict=True):
        if events:
            records.append(control(events[-1], len(records)))
        _play(partition, records, random)
    return partitions


def _play(partition: Partition, records: Sequence[Record], random: Random) -> None:
    start = 0
    while start < len(records):
        end = random.randint(start + 1, len(records))
        again = random.randint(0, start) if random.random() < 0.3 else start
        if random.random() < 0.3:
            partition.fold_some(records[again:end])
        else:
            partition.fold(records[again:end])
        start = end
    partition.fold([])
