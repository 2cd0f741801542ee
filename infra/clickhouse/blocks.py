"""Blocks between the wire and the engine.

From revision 54454 on, the wire has a flag behind each column's type (custom serialization or not); the engine's
`Native` format has none. So a block is walked column by column, and the flag put in or taken out.
"""

from typing import NamedTuple

from infra.clickhouse.columns import column
from infra.clickhouse.errors import NOT_IMPLEMENTED, ServerError
from infra.clickhouse.source import Source, text, varint

_NO_INFO = b"\x01\x00\x02\xff\xff\xff\xff\x00"  # block info: no overflow, no bucket


class Block(NamedTuple):
    """A block in the form of the wire, with block info before it; `columns` are names and types."""

    rows: int
    columns: list[tuple[str, str]]
    body: bytes


def to_engine(source: Source) -> tuple[int, int, bytes]:
    """The next block that a client sends: columns, rows, and its bytes in the engine's form."""
    _skip_info(source)
    source.cut()
    columns, rows = source.varint(), source.varint()
    pieces, start = [], 0
    for _ in range(columns):
        source.binary()
        spelling = source.text()
        pieces.append(source.data[start : source.position])
        if source.number(1):
            raise ServerError(NOT_IMPLEMENTED, "columns in custom serialization are not supported here")
        start = source.position
        _walk(source, spelling, rows)
    pieces.append(source.data[start : source.position])
    whole = b"".join(pieces)
    source.cut()
    return columns, rows, whole


def to_wire(native: bytes) -> list[Block]:
    """The blocks in the engine's bytes."""
    source = Source(lambda: b"", native)
    blocks = []
    while source.position < len(native):
        start = source.position
        count, rows = source.varint(), source.varint()
        columns: list[tuple[str, str]] = []
        pieces: list[bytes] = [_NO_INFO]
        for _ in range(count):
            name, spelling = source.text(), source.text()
            columns.append((name, spelling))
            pieces += native[start : source.position], b"\x00"
            start = source.position
            _walk(source, spelling, rows)
        pieces.append(native[start : source.position])
        blocks.append(Block(rows, columns, b"".join(pieces)))
    return blocks


def header(columns: list[tuple[str, str]]) -> bytes:
    """A block without rows, in the form of the wire: names and types of a result, or that an insert must send."""
    named = b"".join(text(name) + text(spelling) + b"\x00" for name, spelling in columns)
    return _NO_INFO + varint(len(columns)) + varint(0) + named


EMPTY = header([])


def _walk(source: Source, spelling: str, rows: int) -> None:
    if rows:
        walked = column(spelling)
        walked.prefix(source)
        walked.data(source, rows)


def _skip_info(source: Source) -> None:
    while field := source.varint():
        source.skip(1 if field == 1 else 4)
