"""One partition of an aggregate's topic: the last version of each row up to a watermark, and what came later."""

import time
from dataclasses import dataclass, field

from infra.audit.records import Record, Records, mark_of
from schemas import CONTROL_KEYS, WATERMARK_KEY, Unavailable

_SILENCE_SECONDS = 10.0


@dataclass
class Changelog:
    """One partition's rows as of the first watermark that reaches a position, `upto`, or as of the last one.

    `rows` has offset and value (None: removed) of each key as of that watermark, which is at the offset `cut` and says
    that all up to `position` is in; `later` are records after it.
    """

    number: int
    upto: int
    cut: int
    position: int
    rows: dict[bytes, tuple[int, bytes | None]] = field(default_factory=dict)
    later: list[Record] = field(default_factory=list)

    def take(self, run: list[Record]) -> None:
        """Take records in, in their order."""
        for record in run:
            key, value, offset = record
            if key == WATERMARK_KEY and self.position < self.upto:
                self.position, self.cut = mark_of(value), offset
                self.rows.update({k or b"": (at, v) for k, v, at in self.later})
                self.later.clear()
            elif key not in CONTROL_KEYS:
                self.later.append(record)


def read(records: Records, into: Changelog, bounds: tuple[int, int], seconds: float) -> None:
    """Read a partition's rows from one offset up to another, its end, and on until a watermark says that it reaches its
    `upto`. That is waited for so many seconds after the last record.

    Raises Unavailable when Kafka does not answer.
    """
    number, (start, end) = into.number, bounds
    there, moved = start >= end, time.monotonic()
    batches = records.read({number: start})
    for runs, ends in batches:
        run = runs.get(number, [])
        into.take(run)
        there = there or bool(run and run[-1][2] >= end - 1) or ends.get(number, -1) >= end
        moved = time.monotonic() if run else moved
        silent = time.monotonic() - moved
        if there and (into.position >= into.upto or silent > seconds):
            break
        if silent > max(seconds, _SILENCE_SECONDS):
            raise Unavailable(f"Kafka gives no more of {records.topic}[{number}]", retry_after=1)
    batches.close()
