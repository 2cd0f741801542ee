"""The events of a domain in columns (Apache Arrow), page by page from Postgres: for the archive and for replays."""

import io
from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime
from types import TracebackType
from typing import Any

import pyarrow as pa
import pyarrow.csv as csv
from psycopg2.extensions import connection as Connection  # noqa: N812

from producers.sql import query
from producers.store.connections import FAULTS, READER, connect, fault
from schemas import Domain, Fatal, Unavailable

_EVENTS = 20_000
_BYTES = 16_000_000
_INSTANT = pa.timestamp("us", tz="UTC")
_TYPES = {
    "position": pa.int64(),
    "previous": pa.int64(),
    "stream": pa.string(),
    "version": pa.int64(),
    "type": pa.string(),
    "partition_key": pa.string(),
    "command": pa.string(),
    "number": pa.int32(),
    "recorded_at": _INSTANT,
    "watermark": _INSTANT,
    "hash": pa.string(),
    "digest": pa.string(),
    "correlation": pa.string(),
    "traceparent": pa.string(),
    "data": pa.string(),
}


class Columns:
    """Reads events as tables with the columns of Postgres' `events`; `time` is called `recorded_at`, hashes are in hex.

    One session. Methods block and raise Unavailable when Postgres does not answer: then a new object is needed.
    """

    def __init__(self, postgres: str, domain: Domain) -> None:
        self._domain = domain
        try:
            self._connection: Connection = connect(postgres)
        except FAULTS as error:
            raise fault(error, READER) from error

    def __enter__(self) -> "Columns":
        return self

    def __exit__(self, kind: type[BaseException] | None, value: object, trace: TracebackType | None) -> None:
        if kind is None:
            with suppress(Unavailable):
                self._one("locks_free", {})  # of a session that was closed Postgres learns a moment later
        self._connection.close()

    def lead(self) -> bool:
        """Whether this session is from now on, until it ends, the only one that archives the domain."""
        return self._one("archive_lead", {}) is True

    def end(self, *, position: int | None = None, before: datetime | None = None) -> int:
        """The end of the last append at or before a position, or before an instant; 0 when there is none."""
        return int(self._one("archive_end", {"position": position, "instant": before}))

    def pages(self, after: int, upto: int) -> Iterator[Any]:
        """The events after one position up to another, both ends of appends, in their order and without a gap; each
        page ends with an append. Raises Fatal when one is missing.
        """
        while after < upto:
            page = self._page(after, upto)
            yield page
            after += page.num_rows

    def _page(self, after: int, upto: int) -> Any:
        limit, size = _EVENTS, _BYTES
        while True:
            page = self._read(after, upto, limit, size)
            self._check(page, after, upto)
            ends = page["digest"].is_valid().to_pylist()
            end = next((number for number in range(len(ends), 0, -1) if ends[number - 1]), 0)
            if end:
                return page.slice(0, end)
            if after + len(ends) == upto:
                raise Fatal(f"position {upto} of {self._domain.key} is not the end of an append", rule="no-append-end")
            limit, size = limit * 4, size * 4  # an append larger than a page

    def _check(self, page: Any, after: int, upto: int) -> None:
        rows = page.num_rows
        if rows == 0 or page["position"][0].as_py() != after + 1 or page["position"][rows - 1].as_py() != after + rows:
            there = page["position"].to_pylist()
            missing = next((p for p, found in enumerate(there, after + 1) if p != found), after + rows + 1)
            raise Fatal(
                f"the database has no event of {self._domain.key} at position {missing} (of those up to {upto}): it "
                "was removed, or its partition was detached",
                rule="history-has-a-gap",
            )

    def _read(self, after: int, upto: int, limit: int, size: int) -> Any:
        text = io.BytesIO()
        values = {"domain": self._domain.key, "after": after, "upto": upto, "limit": limit, "bytes": size}
        try:
            with self._connection.cursor() as cursor:
                cursor.copy_expert(cursor.mogrify(query("archive_read"), values), text)
        except FAULTS as error:
            raise fault(error, READER) from error
        return _parsed(text.getbuffer())

    def _one(self, name: str, values: dict[str, Any]) -> Any:
        try:
            with self._connection.cursor() as cursor:
                cursor.execute(query(name), {"domain": self._domain.key, **values})
                row = cursor.fetchone()
        except FAULTS as error:
            raise fault(error, READER) from error
        assert row is not None
        return row[0]


def _parsed(text: memoryview) -> Any:
    if not len(text):
        return pa.table({name: pa.array([], kind) for name, kind in _TYPES.items()})
    return csv.read_csv(
        pa.py_buffer(text),
        # One block: an event may be larger than any block of a usual size.
        read_options=csv.ReadOptions(column_names=list(_TYPES), block_size=len(text), use_threads=False),
        parse_options=csv.ParseOptions(newlines_in_values=True),
        convert_options=csv.ConvertOptions(
            column_types=_TYPES,
            null_values=[""],
            strings_can_be_null=True,
            quoted_strings_can_be_null=False,
        ),
    ).combine_chunks()
