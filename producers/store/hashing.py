"""The hashes that make history provable: of a command's body, of an event in its stream, of all appends.

Every stored event carries

    hash = SHA-256(previous hash, 32 bytes
                   || domain key 1F stream id 1F version 1F event id 1F partition key 1F correlation 1F
                      traceparent 1F, in UTF-8
                   || stored data)

where the previous hash is that of the event before it in its stream (32 zero bytes before the first), 1F is the
byte that no id contains, correlation and traceparent are empty where the command had none, and the event id is
`<command id>:<number of the event in its command>`. The head of a domain carries a rolling digest; each append, that is
all events with one append time, replaces it by

    digest = SHA-256(digest before, 32 bytes || position of the first event, 8 bytes || append time in
                     microseconds since 1970, 8 bytes || hash of each event in the order of positions
                     || watermark of each event in microseconds since 2000, 8 bytes each, in the same order)

with integers big-endian and the digest before the first append 32 zero bytes. (Since 2000 is how PostgreSQL has it.)
"""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from hashlib import blake2b, sha256

from schemas import Command, encode

NO_HASH = bytes(32)
NO_FINGERPRINT = bytes(16)
SEPARATOR = "\x1f"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_EPOCH_2000 = datetime(2000, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


def fingerprint(command: Command) -> bytes:
    """16 bytes that tell one command's content from another's, whatever the layout of its JSON was."""
    return blake2b(encode(command), digest_size=16).digest()


def event_id(command_id: str, number: int) -> str:
    """Id of the `number`-th event (from 1) of a command."""
    return f"{command_id}:{number}"


def event_hash(
    previous: bytes,
    domain: str,
    stream: str,
    version: int,
    event: str,
    key: str,
    data: bytes,
    correlation: str | None = None,
    traceparent: str | None = None,
) -> bytes:
    """Hash of one event, see above. `event` is its id, `key` its partition key."""
    context = f"{correlation or ''}\x1f{traceparent or ''}"
    identity = f"{domain}\x1f{stream}\x1f{version}\x1f{event}\x1f{key}\x1f{context}\x1f"
    return sha256(previous + identity.encode() + data).digest()


def append_digest(
    before: bytes, first: int, time: datetime, hashes: Iterable[bytes], watermarks: Iterable[datetime]
) -> bytes:
    """Rolling digest after an append, see above. `first` is the position of its first event."""
    start = first.to_bytes(8) + microseconds(time).to_bytes(8, signed=True)
    marks = [((watermark - _EPOCH_2000) // _MICROSECOND).to_bytes(8, signed=True) for watermark in watermarks]
    return sha256(b"".join((before, start, *hashes, *marks))).digest()


def microseconds(instant: datetime) -> int:
    """Microseconds since 1970, exact."""
    return (instant - _EPOCH) // _MICROSECOND
