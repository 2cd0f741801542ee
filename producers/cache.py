"""A bounded cache of streams as they stood when this process last saw them."""

from typing import Any


class Known:
    """A stream as far as it is known: state, version, hash of the last event, partition key.

    `confirmed` says that the store agreed while the present batch was handled.
    """

    __slots__ = ("confirmed", "hash", "partition_key", "state", "version")

    def __init__(self, state: Any, version: int, last_hash: bytes, partition_key: str, confirmed: bool) -> None:
        self.state = state
        self.version = version
        self.hash = last_hash
        self.partition_key = partition_key
        self.confirmed = confirmed


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
