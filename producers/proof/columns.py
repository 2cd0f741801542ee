"""Checks history in columns, as the archive has it, by the formulas of `producers.store.hashing`."""

from array import array
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any

import pyarrow as pa

from producers.store.hashing import NO_HASH, event_hash, event_id, microseconds
from schemas import Domain, Fatal

_EPOCH_2000 = microseconds(datetime(2000, 1, 1, tzinfo=UTC))


class Chain:
    """The rolling digest of a domain over events that are given page by page from a position on, whose digest is known.

    Each page ends with an append. `digest` is that after the last page, `position` its last event.
    """

    def __init__(self, domain: Domain, digest: bytes = NO_HASH, position: int = 0) -> None:
        self.digest, self.position = digest, position
        self._name = domain.key
        self._time = 0

    def add(self, page: Any) -> None:
        """Go on over the next page. Raises Fatal at the first event that is not the next one, and at the first append
        whose digest is not what its events give.
        """
        positions, hashes = page["position"].to_pylist(), bytes.fromhex("".join(page["hash"].to_pylist()))
        times, marks = _microseconds(page["recorded_at"]), _microseconds(page["watermark"])
        marks = array("q", [mark - _EPOCH_2000 for mark in marks])
        marks.byteswap()
        watermarks, start = marks.tobytes(), 0
        for end, digest in enumerate(page["digest"].to_pylist(), 1):
            if positions[end - 1] != self.position + end - start:
                self._refuse(f"position {self.position + end - start} is missing")
            if digest is None:
                continue
            time = times[end - 1]
            before = b"".join((self.digest, positions[start].to_bytes(8), time.to_bytes(8, signed=True)))
            made = sha256(before + hashes[32 * start : 32 * end] + watermarks[8 * start : 8 * end]).digest()
            if made.hex() != digest or time <= self._time or times[start:end].count(time) != end - start:
                self._refuse(f"the append up to position {positions[end - 1]} does not continue what is before it")
            self.digest, self.position, self._time, start = made, positions[end - 1], time, end
        if start != len(positions):
            self._refuse(f"the append with position {positions[-1]} is cut off")

    def _refuse(self, why: str) -> None:
        raise Fatal(
            f"the history of {self._name} is not one: {why}. It was altered, or the database was restored or replaced; "
            "`headrace verify` says what was done to the database, `headrace archive verify` what to the archive",
            rule="history-differs",
        )


class Events:
    """The hashes of all events of a domain, given page by page from the first one on.

    Keeps the last hash of every stream: some 200 bytes a stream.
    """

    def __init__(self, domain: Domain) -> None:
        self._name = domain.key
        self._tips: dict[str, tuple[int, bytes]] = {}

    def add(self, page: Any) -> None:
        """Go on over the next page. Raises Fatal at the first event whose hash or version is not right."""
        names = ("position", "stream", "version", "command", "number", "partition_key", "correlation", "traceparent")
        columns = [page[name].to_pylist() for name in names]
        columns += [page["data"].cast(pa.binary()).to_pylist(), page["hash"].to_pylist()]
        for position, stream, version, command, number, key, correlation, trace, data, found in zip(
            *columns, strict=True
        ):
            before, previous = self._tips.get(stream, (0, NO_HASH))
            identity = event_id(command, number)
            made = event_hash(previous, self._name, stream, version, identity, key, data, correlation, trace)
            if version != before + 1 or made.hex() != found:
                raise Fatal(
                    f"the event at position {position} (version {version} of stream {stream}) is not the one that was "
                    "appended: its hash does not fit its content or the event before it",
                    rule="event-altered",
                )
            self._tips[stream] = (version, made)


def _microseconds(instants: Any) -> "array[int]":
    return array("q", instants.cast(pa.int64()).to_pylist())
