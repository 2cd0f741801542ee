"""The state of one partition that this sink owns: what is buffered, pending and loaded."""

from array import array
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import accumulate
from operator import ge

from clickhouse_cityhash.cityhash import CityHash128

from schemas import Fatal, Unavailable
from sinks.bounds import Bounds
from sinks.forming import Record

# A batch is cut below every limit before it is announced (rule 7): an insert must be one block.
MAX_ROWS = 100_000
MAX_BYTES = 64 << 20


class OutOfOrder(Unavailable):
    """The client gave a record twice, which a batch must not have: come back as a new member."""


@dataclass
class Batch:
    """A run of records and its bounds; `again` when these were announced before, by whomever."""

    bounds: Bounds
    records: Sequence[Record]
    again: bool = False

    @property
    def to(self) -> int:
        """The first offset behind it."""
        assert self.bounds.to is not None
        return self.bounds.to


@dataclass
class Partition:
    """One assigned partition. `bounds.start` is the committed offset; `next` the first offset not loaded, `ahead` the
    first one that is not in a batch either: a batch may be formed while the one before it is inserted."""

    number: int
    bounds: Bounds
    next: int
    end: int = -1  # where the partition was last seen to end
    acknowledged: bool = True
    buffer: list[Record] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.expected = self.ahead = self.next

    def add(self, records: Sequence[Record]) -> None:
        """Buffer the next records. Raises OutOfOrder when one of them was here already."""
        offsets = [self.expected - 1, *(record.offset for record in records)]
        if any(map(ge, offsets, offsets[1:])):
            run = f"{offsets[1]} to {offsets[-1]}"
            raise OutOfOrder(f"one of the offsets {run} came again, {self.expected} was due", retry_after=0.5)
        self.expected = offsets[-1] + 1
        self.buffer += records

    @property
    def pending(self) -> bool:
        """Whether a batch is announced that is not known to be in the tables."""
        return self.bounds.to is not None

    @property
    def idle(self) -> bool:
        """Whether all that there is has been loaded, and it is still to be acknowledged."""
        return not self.acknowledged and not self.pending and self.ahead == self.next and self.end >= self.next

    def take(self, topic: str) -> Batch | None:
        """The next batch of what is buffered, None while there is none: first of all the pending one, formed again."""
        if self.pending and self.ahead == self.bounds.start:
            return self._recover(topic)
        return self._cut()

    def _recover(self, topic: str) -> Batch | None:
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
        return self._taken(Batch(self.bounds, records, again=True))

    def _cut(self) -> Batch | None:
        records = self.buffer[:MAX_ROWS]
        if not records:
            return None
        sizes = accumulate(len(record.value or b"") for record in records)
        # One record alone may be larger than a batch.
        records = records[: max(1, sum(size <= MAX_BYTES for size in sizes))]
        bounds = Bounds(
            topic=self.bounds.topic,
            epoch=self.bounds.epoch,
            start=self.ahead,
            to=records[-1].offset + 1,
            rows=len(records),
            digest=digest(records),
        )
        return self._taken(Batch(bounds, records))

    def _taken(self, batch: Batch) -> Batch:
        del self.buffer[: len(batch.records)]
        self.ahead = batch.to
        return batch

    def announced(self, batch: Batch) -> None:
        """The batch's bounds are committed."""
        self.bounds, self.acknowledged = batch.bounds, True

    def loaded(self, batch: Batch) -> None:
        """The batch is in the tables; its offset is still to be acknowledged."""
        self.next = batch.to
        self.bounds = self.settled()
        self.acknowledged = False

    def settled(self) -> Bounds:
        """Bounds that say: everything below `next` is loaded, nothing is pending."""
        return Bounds(topic=self.bounds.topic, epoch=self.bounds.epoch, start=self.next)


def digest(records: Sequence[Record]) -> str:
    """A digest of the records' offsets and values (CityHash 1.0.2: found is what changed by accident)."""
    sizes = [-1 if record.value is None else len(record.value) for record in records]
    heads = array("q", [record.offset for record in records]) + array("q", sizes)
    whole = CityHash128(b"".join([heads.tobytes(), *(record.value or b"" for record in records)]))
    return f"{whole:032x}"
