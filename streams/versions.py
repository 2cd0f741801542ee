"""The versions of streams: an event that does not follow the one before it in its stream is never folded over the gap.

A table whose rows are the streams carries the versions on its rows, which costs next to nothing. What such a row does
not say (the event changed no row, or removed it, or the domain has no such table) stands in a table of the engine's.
"""

from collections.abc import Mapping

from msgspec import UNSET

from schemas import HeadraceError
from streams.rows import Rows


class VersionGap(HeadraceError):
    """Events of a stream are missing between the last one that was folded and the one found."""

    def __init__(self, stream: str, expected: int, found: int) -> None:
        super().__init__(f"stream {stream}: expected version {expected}, found {found}", rule="version-gap")


class Versions:
    """The versions of streams during a run. `carrier` is the table that has them on its rows, where there is one.

    `stored` are the versions noted before the run, `noted` those that no row carries of the streams seen in it.
    """

    __slots__ = ("carrier", "noted", "stored")

    def __init__(self, carrier: Rows | None, stored: Mapping[bytes, bytes]) -> None:
        self.carrier, self.stored = carrier, stored
        self.noted: dict[bytes, int] = {}

    def load(self, stream: bytes) -> int:
        """The version of a stream before the run; 0 of one that was never seen."""
        before, carrier = self._before(stream), self.carrier
        carried = UNSET if carrier is None else (carrier.seen.get(stream) or carrier.load(stream)).version
        if carried is not UNSET and carried >= before:
            return carried
        self.noted[stream] = before
        return before

    def encode(self) -> dict[bytes, bytes | None]:
        """What is to be noted: the versions that no row carries, where they have changed."""
        changed = {stream: version for stream, version in self.noted.items() if version != self._before(stream)}
        return {stream: b"%d" % version for stream, version in changed.items()}

    def _before(self, stream: bytes) -> int:
        return int(self.stored.get(stream, 0))
