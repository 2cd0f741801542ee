"""Reads the archive of a domain: its events in their order, page by page."""

import hashlib
from collections.abc import Iterator, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from schemas import Domain, Fatal
from sinks.archive import segments
from sinks.archive.columns import SCHEMA
from sinks.archive.location import Location
from sinks.archive.segments import Segment


class Archive:
    """The archive of a domain as it was when this object was made. Raises what `segments.load` raises."""

    def __init__(self, location: Location, domain: Domain) -> None:
        self.segments = segments.load(location, domain)
        self._location = location

    @property
    def end(self) -> int:
        """The last position that is archived; 0 when there is none."""
        return self.segments[-1].last if self.segments else 0

    def pages(self, after: int, upto: int, columns: Sequence[str] | None = None) -> Iterator[Any]:
        """The events after one position up to another, as tables with all columns or some of them.

        Raises Fatal for a file that is missing, cannot be read, or does not hold just what its manifest says.
        """
        for segment in self.segments:
            if segment.last > after and segment.first <= upto:
                yield from self._pages(segment, after, upto, columns)

    def check(self, segment: Segment) -> None:
        """Raise Fatal unless the segment's file is, byte for byte, the one that was written."""
        digest, size = hashlib.sha256(), 0
        for piece in self._location.pieces(segment.path):
            digest.update(piece)
            size += len(piece)
        if (size, digest.hexdigest()) != (segment.bytes, segment.sha256):
            raise Fatal(
                f"{segment.path} is not the file that was written: it has {size:,} bytes and not {segment.bytes:,}, or "
                "other ones",
                rule="archive-damaged",
            )

    def _pages(self, segment: Segment, after: int, upto: int, columns: Sequence[str] | None) -> Iterator[Any]:
        names = list(SCHEMA.names if columns is None else dict.fromkeys(("position", *columns)))
        position = segment.first - 1
        try:
            with self._location.open(segment.path) as source, pq.ParquetFile(source, pre_buffer=True) as file:
                for number in range(file.num_row_groups):
                    rows = file.metadata.row_group(number).num_rows
                    if position + rows <= after:
                        position += rows
                        continue
                    page = file.read_row_group(number, columns=names).combine_chunks()
                    self._check_page(segment, page, position)
                    position += page.num_rows
                    start = min(max(after - position + page.num_rows, 0), page.num_rows)
                    end = page.num_rows - max(position - upto, 0)
                    if start < end:
                        yield page.slice(start, end - start)
                    if position >= upto:
                        return
        except (pa.ArrowException, OSError) as error:
            detail = str(error).splitlines()[0]
            raise Fatal(f"{segment.path} of the archive cannot be read: {detail}", rule="archive-damaged") from error
        if position != segment.last:
            raise Fatal(
                f"{segment.path} ends at position {position} and not at {segment.last}", rule="archive-has-a-gap"
            )

    @staticmethod
    def _check_page(segment: Segment, page: Any, before: int) -> None:
        rows = page.num_rows
        wanted = pa.array(range(before + 1, before + rows + 1), pa.int64())
        if rows and not pc.all(pc.equal(page["position"], wanted)).as_py():
            raise Fatal(
                f"{segment.path} does not hold each position from {before + 1} on once and in order",
                rule="archive-has-a-gap",
            )
