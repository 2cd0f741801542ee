"""Reads files of commands line by line or row by row."""

import csv
import gzip
import io
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, cast

from schemas import Invalid, TooLarge

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

MAX_LINE = 1_000_000
_ROWS = 1_000
_FORMATS = {".ndjson": "ndjson", ".jsonl": "ndjson", ".csv": "csv", ".parquet": "parquet"}
# What broken files raise: no gzip, no zstd frame, cut off, no UTF-8, quotes that do not end.
_BROKEN = (EOFError, gzip.BadGzipFile, zstd.ZstdError, UnicodeDecodeError, csv.Error)


@dataclass(frozen=True, slots=True)
class Item:
    """One line of an NDJSON file (bytes, or the error that it is too long) or row of a table (by column), with its
    number from 1 and how far the file was read then, in the unit of `Source.total`."""

    number: int
    at: int
    content: bytes | dict[str, Any] | TooLarge


@dataclass(frozen=True)
class Source:
    """A file: its format (`ndjson`, `csv` or `parquet`) and its length, in bytes or, for Parquet, in rows."""

    path: Path
    format: str
    packing: str
    total: int

    @classmethod
    def of(cls, path: Path) -> "Source":
        """The file at `path`. Raises Invalid when its name has no known ending or it cannot be read."""
        packing = path.suffix if path.suffix in (".gz", ".zst") else ""
        ending = Path(path.name.removesuffix(packing)).suffix.lower()
        if ending not in _FORMATS or (ending == ".parquet" and packing):
            raise Invalid(f"{path.name} must end in .ndjson, .jsonl or .csv (also with .gz or .zst), or in .parquet")
        try:
            total = _parquet(path).metadata.num_rows if ending == ".parquet" else path.stat().st_size
        except OSError as error:
            raise Invalid(f"{path} cannot be read: {error.strerror or error}") from error
        return cls(path, _FORMATS[ending], packing, total)

    def items(self) -> Iterator[Item]:
        """The lines or rows in their order. Raises Invalid where the file turns out to be broken."""
        try:
            if self.format == "parquet":
                yield from self._rows()
            else:
                with self._open() as (raw, plain):
                    yield from _lines(raw, plain) if self.format == "ndjson" else _records(raw, plain)
        except _BROKEN as error:
            raise Invalid(f"{self.path} is broken: {error}") from error

    def _rows(self) -> Iterator[Item]:
        number = 0
        for batch in _parquet(self.path).iter_batches(_ROWS):
            for row in batch.to_pylist():
                number += 1
                yield Item(number, number, row)

    @contextmanager
    def _open(self) -> Iterator[tuple[IO[bytes], IO[bytes]]]:
        """The file as it is and as it reads unpacked."""
        with ExitStack() as stack:
            raw = stack.enter_context(self.path.open("rb"))
            if self.packing == ".gz":
                yield raw, cast(IO[bytes], stack.enter_context(gzip.open(raw)))
            elif self.packing == ".zst":
                yield raw, cast(IO[bytes], stack.enter_context(zstd.open(raw)))
            else:
                yield raw, raw


def _lines(raw: IO[bytes], plain: IO[bytes]) -> Iterator[Item]:
    number = 0
    while line := plain.readline(MAX_LINE + 2):
        number += 1
        if len(line) > MAX_LINE + 1:
            while line and not line.endswith(b"\n"):
                line = plain.readline(MAX_LINE)
            error = TooLarge(f"the line is longer than {MAX_LINE} bytes", rule="line-too-long")
            yield Item(number, raw.tell(), error)
        elif not line.isspace():
            yield Item(number, raw.tell(), line.strip())


def _records(raw: IO[bytes], plain: IO[bytes]) -> Iterator[Item]:
    """Rows of CSV, numbered by the line of the file on which each ends; empty cells are left out."""
    csv.field_size_limit(MAX_LINE)
    rows = csv.DictReader(io.TextIOWrapper(plain, "utf-8-sig", newline=""), strict=True)
    for row in rows:
        cells = {name or "": value for name, value in row.items() if value not in ("", None)}
        yield Item(rows.line_num, raw.tell(), cells)


def _parquet(path: Path) -> Any:
    # Imported here since it is large, and the other formats do without it.
    import pyarrow
    import pyarrow.parquet

    try:
        return pyarrow.parquet.ParquetFile(path)
    except pyarrow.ArrowInvalid as error:
        raise Invalid(f"{path} is no Parquet file: {error}") from error
