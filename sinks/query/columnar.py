"""Rows as Arrow and Parquet, written chunk by chunk. The only module that needs pyarrow, which is slow to load."""

import io
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import pyarrow
import pyarrow.ipc
import pyarrow.parquet

from sinks.query.arrow import arrow_type, fitting
from sinks.query.formats import Columns, Rows


def arrow(columns: Columns, chunks: Iterable[Rows], notes: Mapping[bytes, bytes]) -> Iterator[bytes]:
    """An Arrow stream; `notes` are its schema's metadata."""
    return _columnar(pyarrow.ipc.new_stream, columns, chunks, notes)


def parquet(columns: Columns, chunks: Iterable[Rows], notes: Mapping[bytes, bytes]) -> Iterator[bytes]:
    """A Parquet file; `notes` are its schema's metadata."""
    return _columnar(pyarrow.parquet.ParquetWriter, columns, chunks, notes)


def _columnar(
    writer: Callable[..., Any], columns: Columns, chunks: Iterable[Rows], notes: Mapping[bytes, bytes]
) -> Iterator[bytes]:
    fields = [pyarrow.field(name, arrow_type(spelling)) for name, spelling in columns]
    schema = pyarrow.schema(fields, metadata=dict(notes) or None)
    spool = _Spool()
    with writer(pyarrow.PythonFile(spool, mode="w"), schema) as out:
        for rows in chunks:
            arrays = [
                pyarrow.array(fitting(column, field.type), field.type)
                for column, field in zip(zip(*rows, strict=True), fields, strict=True)
            ]
            out.write_batch(pyarrow.record_batch(arrays, schema=schema))
            yield spool.taken()
    yield spool.taken()


class _Spool(io.RawIOBase):
    """A file to write to, from which the bytes written so far are taken."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []
        self._position = 0

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        self._parts.append(bytes(data))
        self._position += len(self._parts[-1])
        return len(self._parts[-1])

    def tell(self) -> int:
        return self._position

    def taken(self) -> bytes:
        """What was written since the last time."""
        parts, self._parts = self._parts, []
        return b"".join(parts)
