"""From rows of Postgres (COPY text) to the records of the events topic.

The envelope is filled in as text: names were refused at the append if they would need escaping, and the data stand as
they were stored. A test compares the result with the contract's `Envelope`.
"""

from collections.abc import Sequence
from datetime import datetime

from msgspec import Struct

from schemas import Control, Domain, encode

# Names are filled in for %b in this order; `producers.relay.columns` fills the same.
ENVELOPE = (
    b'{"id":"%b:%b","source":"%b","type":"%b","subject":"%b","time":"%b","sequence":%b,"position":%b,"partitionkey":"%b",'
    b'"hash":"%b","correlationid":"%b","data":%b,"watermark":"%b","causationid":"%b"%b,"specversion":"1.0",'
    b'"datacontenttype":"application/json"}'
)
_NULL = b"\\N"


class Checkpoint(Struct, frozen=True):
    """How far a domain's events are published: up to `position`, the last of an append, whose rolling digest is
    `digest` (hex; empty before the first event)."""

    position: int = 0
    digest: str = ""


class Row(Struct, frozen=True, gc=False):
    """One event: what the relay itself needs to know of it, and its record."""

    position: int
    digest: str | None
    time: bytes
    watermark: bytes
    key: bytes
    value: bytes


class Rows:
    """Turns the lines of a read into rows."""

    def __init__(self, domain: Domain) -> None:
        self._source = f"headrace/{domain.key}".encode()
        self._instants: dict[bytes, bytes] = {}

    def parse(self, lines: Sequence[bytes]) -> list[Row]:
        """The rows of COPY text lines, in their order."""
        self._instants.clear()
        return [self._row(line) for line in lines]

    def _row(self, line: bytes) -> Row:
        if b"\\\\" in line:
            # Of COPY's escapes only the doubled backslash can occur: JSON and names have no control characters.
            line = line.replace(b"\\\\", b"\\")
        (
            position, key, stream, version, kind, time, watermark, hash_, digest, command, number, correlation,
            traceparent, data,
        ) = line[:-1].split(b"\t", 13)  # fmt: skip
        time, watermark = self._instant(time), self._instant(watermark)
        value = ENVELOPE % (
            command, number, self._source, kind, stream, time, version, position, key, hash_,
            command if correlation == _NULL else correlation, data, watermark, command,
            b"" if traceparent == _NULL else b',"traceparent":"%b"' % traceparent,
        )  # fmt: skip
        return Row(int(position), None if digest == _NULL else digest.decode(), time, watermark, key, value)

    def _instant(self, text: bytes) -> bytes:
        """RFC 3339 of Postgres' own form, such as `2026-01-31 12:00:00.5+00`."""
        made = self._instants.get(text)
        if made is None:
            made = self._instants[text] = text[:-3].replace(b" ", b"T") + b"Z"
        return made


def control(row: Row) -> bytes:
    """The control record's value that says that everything up to this row has been published."""
    time, watermark = (datetime.fromisoformat(text.decode()) for text in (row.time, row.watermark))
    return encode(Control(position=row.position, time=time, watermark=watermark))
