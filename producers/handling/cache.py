"""What this process knows of streams, and a bounded cache of it."""

from typing import Any

from producers.store.hashing import NO_HASH
from schemas import HeadraceError


class Known:
    """A stream as far as it is known: state, version, hash of the last event, partition key; the new one at first.

    `confirmed` says that the store agreed while the present batch was handled; `error` that the stream's events
    cannot be loaded. `kept` is the version of the last snapshot that was taken of it here.
    """

    __slots__ = ("confirmed", "error", "hash", "kept", "partition_key", "state", "version")

    def __init__(self, *, confirmed: bool) -> None:
        self.state: Any = None
        self.version = 0
        self.hash = NO_HASH
        self.partition_key = ""
        self.confirmed = confirmed
        self.error: HeadraceError | None = None
        self.kept = 0

    def assumed(self) -> "Known":
        """The same once more, to be taken for right until the store disagrees."""
        made = Known(confirmed=False)
        made.state, made.version, made.hash = self.state, self.version, self.hash
        made.partition_key, made.error, made.kept = self.partition_key, self.error, self.kept
        return made


class StreamCache:
    """The last `size` streams that were used. It may be behind the store: whoever uses it lets the append check."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._streams: dict[str, Known] = {}

    def take(self, stream: str) -> Known | None:
        """Remove and answer the stream; put it back when it is still right."""
        return self._streams.pop(stream, None)

    def put(self, stream: str, known: Known) -> None:
        """Remember the stream as the one used last."""
        self._streams.pop(stream, None)
        self._streams[stream] = known
        if len(self._streams) > self._size:
            del self._streams[next(iter(self._streams))]
