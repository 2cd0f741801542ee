"""The state of one partition that this sink owns: what is buffered, pending and loaded."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field

from schemas import Control, Fatal, Unavailable
from sinks.bounds import Bounds
from sinks.targets import Record

# A batch is cut below every limit before it is announced (rule 7): an insert must be one block.
MAX_ROWS = 100_000
MAX_BYTES = 64 << 20


class OutOfOrder(Unavailable):
    """The client gave a record twice, which a batch must not have: come back as a new member."""


@dataclass
class Batch:
    """A run of records and its bounds."""

    bounds: Bounds
    records: Sequence[Record]


@dataclass
class Partition:
    """One assigned partition. `bounds.start` is the committed offset; `next` the first offset not loaded."""

    number: int
    bounds: Bounds
    next: int
    end: int = -1  # where the partition was last seen to end
    acknowledged: bool = True
    mark: Control | None = None
    buffer: list[Record] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.expected = self.next

    def add(self, record: Record) -> None:
        """Buffer the next record. Raises OutOfOrder for one that was here already."""
        if record.offset < self.expected:
            raise OutOfOrder(f"offset {record.offset} came again, {self.expected} was due", retry_after=0.5)
        self.expected = record.offset + 1
        self.buffer.append(record)

    @property
    def pending(self) -> bool:
        return self.bounds.to is not None

    def recover(self, topic: str) -> Batch | None:
        """The pending batch formed again (rule 13), None while its records are not all here.

        Raises Fatal when they are not the records that were announced.
        """
        to = self.bounds.to
        assert to is not None
        last = self.buffer[-1].offset if self.buffer else -1
        if last < to - 1 and self.end < to:
            return None
        records = [record for record in self.buffer if record.offset < to]
        if (len(records), digest(records)) != (self.bounds.rows, self.bounds.digest):
            raise Fatal(
                f"{topic}[{self.number}]: offsets {self.bounds.start} to {to} hold {len(records)} records, other than "
                f"the {self.bounds.rows} that were announced: the topic was changed. Rebuild into new tables"
            )
        return Batch(self.bounds, records)

    def cut(self) -> Batch | None:
        """The next batch of what is buffered, None when nothing is."""
        size = count = 0
        for record in self.buffer:
            size += len(record.value or b"")
            if count == MAX_ROWS or (count and size > MAX_BYTES):
                break
            count += 1
        if not count:
            return None
        records = self.buffer[:count]
        bounds = Bounds(
            topic=self.bounds.topic,
            epoch=self.bounds.epoch,
            start=self.next,
            to=records[-1].offset + 1,
            rows=count,
            digest=digest(records),
        )
        return Batch(bounds, records)

    def loaded(self, batch: Batch, mark: Control | None) -> None:
        """The batch is in the tables; its offset is still to be acknowledged."""
        assert batch.bounds.to is not None
        del self.buffer[: len(batch.records)]
        self.next = batch.bounds.to
        self.bounds = self.settled()
        self.acknowledged = False
        self.mark = mark or self.mark

    def settled(self) -> Bounds:
        """Bounds that say: everything below `next` is loaded, nothing is pending."""
        return Bounds(topic=self.bounds.topic, epoch=self.bounds.epoch, start=self.next)


def digest(records: Sequence[Record]) -> str:
    """A digest of the records' offsets and values."""
    whole = hashlib.blake2b(digest_size=8)
    for record in records:
        whole.update(b"%d:" % record.offset)
        whole.update(record.value or b"")
    return whole.hexdigest()
