"""Reads the records of the sources in chunks, outside of the group: others say what to read and from where."""

import asyncio
import threading
from collections.abc import Coroutine, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any, TypeVar

from aiokafka.errors import KafkaError

from schemas import Unavailable
from streams.changes import Record
from streams.fetching import Fetching
from streams.group import Place

CHUNK_RECORDS = 20_000
CHUNK_BYTES = 8_000_000
_READ_RECORDS = 2 * CHUNK_RECORDS
_READ_BYTES = 2 * CHUNK_BYTES
_WAIT_SECONDS = 0.5
_FETCH_WAIT_MS = 100
_PARTITION_BYTES = 2_000_000  # as fetched, so packed
_RUNS = 8  # taken at once, before their size is looked at
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Chunk:
    """A run of records of one partition: all that the topic has from offset `start` up to, without, `end`.

    Between records there may be offsets without one: transaction markers, aborted or compacted records.
    """

    records: Sequence[Record]
    start: int
    end: int

    def after(self, offset: int) -> "Chunk":
        """What of the chunk is at `offset` or later; `offset` is one inside of it."""
        return Chunk([record for record in self.records if record.offset >= offset], offset, self.end)


class ChunkReader:
    """A consumer with an event loop in a thread of its own. All methods block; one thread at a time.

    It reads committed records only, and not much further ahead than chunks are taken.
    """

    def __init__(self, kafka: str) -> None:
        self._kafka = kafka
        self._next: dict[Place, int] = {}
        self._fetching: Fetching | None = None
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="headrace-fetch", daemon=True)
        self._thread.start()

    def start(self, offsets: Mapping[Place, int]) -> None:
        """Read these partitions, and no others, from these offsets. Nothing that was fetched before comes any more.

        Raises Unavailable when no broker answers.
        """
        self._next = dict(offsets)
        self._wait_for(self._start())

    def read(self) -> list[tuple[Place, Chunk]]:
        """The next chunks of some partitions; nothing when none comes for a while.

        Raises Unavailable when a partition cannot be read on. A broker that is away is waited for.
        """
        return [
            (place, chunk)
            for place, (records, end) in self._wait_for(self._take()).items()
            for chunk in self._cut(place, records, end)
        ]

    def close(self) -> None:
        """End the consumer."""
        try:
            self._wait_for(self._stop())
        finally:
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join()
            self._loop.close()

    def _wait_for(self, work: Coroutine[Any, Any, T]) -> T:
        try:
            return asyncio.run_coroutine_threadsafe(work, self._loop).result()
        except KafkaError as error:
            raise Unavailable(f"reading the events failed: {error!r}") from error

    async def _start(self) -> None:
        if self._fetching is None:
            fetching = Fetching(self._kafka, _FETCH_WAIT_MS, _PARTITION_BYTES)
            try:
                await fetching.start()
            except BaseException:
                await fetching.stop()
                raise
            self._fetching = fetching
        self._fetching.read_from(self._next)

    async def _take(self) -> dict[Place, tuple[list[Record], int]]:
        """Records of some partitions, and the offsets after all that was read of these."""
        assert self._fetching is not None, "start first"
        found: dict[Place, list[Record]] = {}
        count = size = 0
        taken = await self._fetching.take(_WAIT_SECONDS, _RUNS)
        while taken:
            for place, runs in taken.items():
                records = list(chain.from_iterable(runs))
                count += len(records)
                size += size_of(records)
                found.setdefault(place, []).extend(records)
            if count >= _READ_RECORDS or size >= _READ_BYTES:
                break
            taken = await self._fetching.take(0, _RUNS)
        return {place: (records, self._fetching.position(place)) for place, records in found.items()}

    async def _stop(self) -> None:
        if self._fetching is not None:
            await self._fetching.stop()

    def _cut(self, place: Place, records: Sequence[Record], end: int) -> Iterator[Chunk]:
        start, self._next[place] = self._next[place], end
        yield from cut(records, start, end)


def cut(records: Sequence[Record], start: int, end: int) -> Iterator[Chunk]:
    """Cut records into chunks below the limits of records and bytes; a chunk has at least one record."""
    if len(records) <= CHUNK_RECORDS and size_of(records) <= CHUNK_BYTES:  # the usual case, without a loop
        yield Chunk(records, start, end)
        return
    first = size = 0
    for index, (_, value, offset) in enumerate(records):
        length = len(value or b"")
        if index > first and (size + length > CHUNK_BYTES or index - first >= CHUNK_RECORDS):
            yield Chunk(records[first:index], start, offset)
            first, size, start = index, 0, offset
        size += length
    yield Chunk(records[first:], start, end)


def size_of(records: Sequence[Record]) -> int:
    """Bytes of the records' values."""
    return sum([len(value) for _, value, _ in records if value])
