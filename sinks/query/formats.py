"""The forms of an answer, chosen by `Accept`: JSON, NDJSON, CSV, Arrow and Parquet, each written chunk by chunk."""

import csv
import io
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import msgspec
from msgspec import Struct

from schemas import HeadraceError
from sinks.forms import MEDIA_TYPES
from sinks.query.shapes import shape

Columns = Sequence[tuple[str, str]]
Rows = Sequence[tuple[Any, ...]]
_encoder = msgspec.json.Encoder(decimal_format="string")


class Format(Struct, frozen=True):
    """A form of an answer. `write(columns, chunks, more)` gives its bytes; `more` is what the answer says besides its
    rows, where the form has room for it.
    """

    media_type: str
    write: Callable[[Columns, Iterable[Rows], Mapping[str, Any]], Iterator[bytes]]


def _json(columns: Columns, chunks: Iterable[Rows], more: Mapping[str, Any]) -> Iterator[bytes]:
    start = _encoder.encode(dict(more))
    yield (start[:-1] + b"," if more else b"{") + b'"data":['
    comma = b""
    try:
        for rows in _objects(columns, chunks):
            yield comma + b",".join([_encoder.encode(row) for row in rows])
            comma = b","
    except HeadraceError as error:
        yield b'],"error":' + _encoder.encode(told(error)) + b"}"
    else:
        yield b"]}"


def _ndjson(columns: Columns, chunks: Iterable[Rows], more: Mapping[str, Any]) -> Iterator[bytes]:
    del more
    try:
        for rows in _objects(columns, chunks):
            yield _encoder.encode_lines(rows)
    except HeadraceError as error:
        yield _encoder.encode_lines([{"error": told(error)}])


def _csv(columns: Columns, chunks: Iterable[Rows], more: Mapping[str, Any]) -> Iterator[bytes]:
    del more
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow([name for name, _ in columns])
    for rows in _objects(columns, chunks):
        writer.writerows([[_cell(value) for value in row.values()] for row in rows])
        yield text.getvalue().encode()
        text.seek(0)
        text.truncate()
    yield text.getvalue().encode()


def _arrow(columns: Columns, chunks: Iterable[Rows], more: Mapping[str, Any]) -> Iterator[bytes]:
    from sinks.query.columnar import arrow

    return arrow(columns, chunks, _notes(more))


def _parquet(columns: Columns, chunks: Iterable[Rows], more: Mapping[str, Any]) -> Iterator[bytes]:
    from sinks.query.columnar import parquet

    return parquet(columns, chunks, _notes(more))


def _notes(more: Mapping[str, Any]) -> dict[bytes, bytes]:
    """What the answer says besides its rows, as the metadata of a schema."""
    return {b"headrace." + name.encode(): _encoder.encode(value) for name, value in more.items()}


_WRITERS = {"json": _json, "ndjson": _ndjson, "csv": _csv, "arrow": _arrow, "parquet": _parquet}
FORMATS = {MEDIA_TYPES[name]: Format(MEDIA_TYPES[name], write) for name, write in _WRITERS.items()}
JSON = FORMATS[MEDIA_TYPES["json"]]


def _objects(columns: Columns, chunks: Iterable[Rows]) -> Iterator[list[dict[str, Any]]]:
    """The rows as objects, with exact decimals."""
    names, shapes = [name for name, _ in columns], [shape(spelling) for _, spelling in columns]
    for rows in chunks:
        exact = [make(column) for make, column in zip(shapes, zip(*rows, strict=True), strict=True)]
        yield [dict(zip(names, row, strict=True)) for row in zip(*exact, strict=True)]


def _cell(value: Any) -> Any:
    if value is None or isinstance(value, str | int | float):
        return value
    text = _encoder.encode(value).decode()
    return text.strip('"') if text.startswith('"') else text


def told(error: HeadraceError) -> dict[str, Any]:
    """An error as it is told in the middle of an answer."""
    return {"status": error.status, "rule": error.rule, "detail": error.detail}
