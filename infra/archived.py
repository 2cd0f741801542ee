"""The recorded history of a domain as its archive has it: records to fold, without any server."""

from collections.abc import Iterator, Sequence
from typing import Any

import pyarrow.compute as pc

from producers.relay.columns import record_values
from producers.relay.partitioner import partition_of
from schemas import Control, Domain, Fatal
from sinks.archive.columns import Completed
from sinks.archive.location import Location
from sinks.archive.reading import Archive
from streams.changes import Record

_NOT_FROM_KAFKA = -1
_COLUMNS = (
    "stream", "version", "type", "partition_key", "partition", "recorded_at", "watermark", "command", "number",
    "correlation", "traceparent", "hash", "data",
)  # fmt: skip


class ArchivedSource:
    """The records of a domain as the relay published them, from its archive: no control records, no offsets.

    The archive is read as it was when this object was made. Methods raise Fatal where it is not whole, and Unavailable.
    """

    def __init__(self, domain: Domain, url: str) -> None:
        self.url = url
        self._domain = domain
        self._archive = Archive(Location(url), domain)
        self._completed = Completed(domain, partition_of)

    @property
    def end(self) -> int:
        """The last position that is archived."""
        return self._archive.end

    @property
    def digest(self) -> str:
        """The domain's rolling digest there, in hex; empty when nothing is archived."""
        return self._archive.segments[-1].digest if self._archive.segments else ""

    def close(self) -> None:
        """There is nothing to let go of."""

    def read(self, partition: int, upto: int) -> Iterator[Sequence[Record]]:
        """The records of a partition up to a position. Reads the events of all partitions to find them."""
        return self.between(partition, 0, upto)

    def between(self, partition: int, after: int, upto: int) -> Iterator[Sequence[Record]]:
        """The records of a partition after one position up to another."""
        self._require(upto)
        for page in self._archive.pages(after, upto, _COLUMNS):
            mine = page.filter(pc.equal(self._partitions(page), partition))
            if mine.num_rows:
                keys = (key.encode() for key in mine["partition_key"].to_pylist())
                values = record_values(self._domain, mine)
                yield [Record(key, value, _NOT_FROM_KAFKA) for key, value in zip(keys, values, strict=True)]

    def mark(self, position: int) -> Control:
        """What the archive says of a position."""
        self._require(position)
        [page] = self._archive.pages(position - 1, position, ("recorded_at", "watermark"))
        time, watermark = page["recorded_at"][0].as_py(), page["watermark"][0].as_py()
        return Control(position=position, time=time, watermark=watermark)

    def _require(self, position: int) -> None:
        if position > self.end:
            raise Fatal(
                f"the archive of {self._domain.key} at {self.url} ends at position {self.end}, before {position}",
                rule="history-has-a-gap",
            )

    def _partitions(self, page: Any) -> Any:
        if all(segment.partitions == self._domain.partitions for segment in self._archive.segments):
            return page["partition"]
        return self._completed.partitions(page["partition_key"])


def ending(archived: ArchivedSource | None) -> str:
    """How far an archive goes, in words that say which setting names it."""
    end = f"the archive at {archived.url} ends at position {archived.end}" if archived else "no archive is set"
    return f"{end} (HEADRACE_ARCHIVE)"
