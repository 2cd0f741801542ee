"""What a store on disk says of itself: which changelogs its rows come from, and how far they go."""

import time
from collections.abc import Sequence

import msgspec
from msgspec import Struct

from schemas import Control
from streams.store import Changelog

_FORMAT = 1
# Changelogs forget a removal after a day (`delete.retention.ms`): older files might keep rows that were removed.
_KEEP_SECONDS = 12 * 3600


class End(Struct, frozen=True, kw_only=True):
    """How far a table is complete: changelog topic, its id and first offset, the offset to read on from, the mark."""

    topic: str
    topic_id: str
    first: int
    offset: int
    mark: Control | None


class Checkpoint(Struct, frozen=True, kw_only=True):
    """Stands in RocksDB beside the rows that it speaks of. `at` is when it was written, in seconds since 1970."""

    format: int
    at: float
    ends: list[End]

    @classmethod
    def now(cls, ends: list[End]) -> "Checkpoint":
        """The checkpoint of a store that is complete up to `ends`."""
        return cls(format=_FORMAT, at=time.time(), ends=ends)

    def encode(self) -> bytes:
        """As it is written."""
        return msgspec.json.encode(self)

    def usable(self, topics: Sequence[str], changelogs: Sequence[Changelog]) -> list[End]:
        """The ends, when the rows can be gone on with; ValueError says why not."""
        if self.format != _FORMAT:
            raise ValueError(f"it has format {self.format}, not {_FORMAT}")
        if not 0 <= time.time() - self.at < _KEEP_SECONDS:
            raise ValueError("it is older than the changelog's memory of removed rows")
        if tuple(end.topic for end in self.ends) != tuple(topics):
            raise ValueError(f"it has the tables {', '.join(end.topic for end in self.ends)}")
        for end, now in zip(self.ends, changelogs, strict=True):
            if end.topic_id != now.topic_id:
                raise ValueError(f"topic {end.topic} was made anew")
            if end.first != now.first or end.offset > now.end:
                raise ValueError(f"topic {end.topic} was trimmed: it has offsets {now.first} to {now.end}")
        return self.ends
