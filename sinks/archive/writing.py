"""Writes the archive of a domain. What was killed at any point is taken up where the manifests end."""

import hashlib
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, Protocol

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from schemas import Domain, encode, reach
from sinks.archive import segments
from sinks.archive.columns import DICTIONARIES, SCHEMA, STATISTICS, Completed
from sinks.archive.location import Location
from sinks.archive.segments import Segment

# A file for so many events, or of so many bytes of data, at most; and a row group of a page.
EVENTS = 1_000_000
_BYTES = 256_000_000
_PIECE = 8 << 20
_DAY = timedelta(days=1)


class Digest(Protocol):
    """The rolling digest of the domain over the pages that it was given; refuses what does not continue history."""

    @property
    def digest(self) -> bytes: ...

    def add(self, page: Any, /) -> None:
        """Go on over a page."""


class Archiver:
    """Writes to a domain's archive; only one process at a time may. `known` are the segments that there are."""

    def __init__(
        self, location: Location, domain: Domain, partition_of: Callable[[bytes, int], int], events: int = EVENTS
    ) -> None:
        self.known = segments.load(location, domain)
        self._location, self._domain, self._events = location, domain, events
        self._completed = Completed(domain, partition_of)

    @property
    def end(self) -> int:
        """The last position that is archived."""
        return self.known[-1].last if self.known else 0

    @property
    def digest(self) -> bytes:
        """The rolling digest there; empty before the first event."""
        return bytes.fromhex(self.known[-1].digest) if self.known else b""

    def archive(self, pages: Iterable[Any], chain: Digest) -> Iterator[Segment]:
        """Archive the events of pages that go on after `end`, each the end of an append; answers the segments made.

        `chain` stands at `end`. A segment ends with its day, or when it is large enough. Raises Unavailable when the
        store does not answer; what was answered by then is archived.
        """
        self._tidy()
        with self._location.workspace(self._domain.key) as workspace:
            current: _File | None = None
            try:
                for page in pages:
                    for day, part in _days(page):
                        if current is not None and (current.day != day or current.is_full(self._events)):
                            yield self._finish(current)
                            current = None
                        current = current or _File(workspace, day, self.end + 1, chain.digest)
                        chain.add(part)
                        current.add(self._completed.page(part), chain.digest)
                if current is not None:
                    yield self._finish(current)
                    current = None
            finally:
                if current is not None:
                    current.writer.close()

    def _tidy(self) -> None:
        """Remove files that a killed process put without their manifest: their events come again."""
        counted = {segment.path for segment in self.known}
        for path in self._location.names(segments.folder(self._domain)):
            if path.endswith(".parquet") and path not in counted:
                self._location.remove(path)

    def _finish(self, file: "_File") -> Segment:
        file.writer.close()
        reach("archive.written")
        domain = self._domain
        path = segments.data_path(domain, file.day, file.first, file.last)
        size, sha256 = _measured(file.path)
        segment = Segment(
            domain=domain.key,
            day=file.day,
            first=file.first,
            last=file.last,
            before=file.before.hex(),
            digest=file.digest.hex(),
            path=path,
            bytes=size,
            sha256=sha256,
            generation=domain.generation,
            partitions=domain.partitions,
        )
        self._location.put(file.path, path)
        reach("archive.put")
        manifest = file.path.with_suffix(".json")
        manifest.write_bytes(encode(segment))
        self._location.put(manifest, segments.manifest_path(domain, file.first), once=True)
        reach("archive.counted")
        self.known.append(segment)
        return segment


class _File:
    """A segment while it is written."""

    def __init__(self, workspace: Path, day: date, first: int, before: bytes) -> None:
        self.path = workspace / f"{first}.parquet"
        self.day, self.first, self.last = day, first, first - 1
        self.before = self.digest = before
        self._bytes = 0
        self.writer = pq.ParquetWriter(
            self.path,
            SCHEMA,
            compression="zstd",
            use_dictionary=DICTIONARIES,
            write_statistics=STATISTICS,
            sorting_columns=[pq.SortingColumn(0)],
        )

    def add(self, page: Any, digest: bytes) -> None:
        self.writer.write_table(page, row_group_size=page.num_rows)
        self.last += page.num_rows
        self.digest = digest
        self._bytes += pc.sum(pc.binary_length(page["data"])).as_py()

    def is_full(self, events: int) -> bool:
        return self.last - self.first + 1 >= events or self._bytes >= _BYTES


def _days(page: Any) -> Iterator[tuple[date, Any]]:
    """A page cut by the day of recording. Times never go back, and all events of an append have one."""
    start, rows, times = 0, page.num_rows, page["recorded_at"]
    while start < rows:
        day = times[start].as_py().astimezone(UTC).date()
        midnight = datetime.combine(day + _DAY, datetime.min.time(), UTC)
        end = start + pc.sum(pc.less(times.slice(start), pa.scalar(midnight, times.type)).cast(pa.int64())).as_py()
        yield day, page.slice(start, end - start)
        start = end


def _measured(path: Path) -> tuple[int, str]:
    """Size and SHA-256 of a file."""
    with path.open("rb") as content:
        return path.stat().st_size, hashlib.file_digest(content, "sha256").hexdigest()
