"""Where a replay reads the records of a domain, and which events it leaves out."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Protocol

from streams.changes import AnyRecord

# By partition key, the ids of the events that are left out of its folds.
Skips = Mapping[bytes, frozenset[str]]


class Source(Protocol):
    """The records of a domain's event topic, or what stands for them.

    Methods raise Unavailable when a server does not answer, Fatal when the history is not whole.
    """

    def read(self, partition: int, upto: int, /) -> Iterator[Sequence[AnyRecord]]:
        """Batches of the records (key, value, offset) of a partition, in their order, from the first event on to the
        last one whose position in the domain is at most `upto`. All events up to there must be recorded. An offset is
        -1 where the record is not read from the topic.
        """

    def close(self) -> None:
        """Let go of connections."""
