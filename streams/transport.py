"""Chunk transport: Faust's aiokafka driver, but an agent gets the whole fetched run of a partition as one message.

Offsets are kept here, not by Faust: aborted transactions and markers leave holes that its bookkeeping cannot
pass. Where to read is what the folded state says (`FoldingApp.offsets`), and each chunk must begin where the one
before ended, or the partition is read again from there. Faust's own offset commit has nothing to do: an offset is
committed in the transaction of its chunk.
"""

import logging
from collections import OrderedDict
from collections.abc import AsyncIterator, Iterator, Sequence
from typing import Any, NamedTuple, Protocol, cast

import faust
from aiokafka.consumer.fetcher import FetchResult
from aiokafka.errors import KafkaError, NoOffsetForPartitionError
from faust.transport.drivers import aiokafka as driver
from faust.types import TP, Message
from faust.types.tuples import ConsumerMessage

from schemas import HeadraceError, Unavailable
from streams.assignment import Chunk
from streams.group import Membership

_log = logging.getLogger(__name__)
_faust_log = logging.getLogger("faust.chunks")  # what Faust's services say of themselves

CHUNK_RECORDS = 5_000
CHUNK_BYTES = 4_000_000
_FETCH_MAX_WAIT_MS = 100


class Run(NamedTuple):
    """Records drained from the fetcher at once, and the fetch positions before and after."""

    records: Sequence[Any]
    start: int | None
    end: int


class OffsetKeeper(Protocol):
    """The app as the transport needs it."""

    def offsets(self) -> dict[TP, int]:
        """The offset at which to go on reading, of each partition that may be read."""

    async def revoked(self) -> None:
        """All partitions are about to be taken away."""

    def fail(self, error: HeadraceError) -> None:
        """End the work because of `error`."""


class ChunkThread(driver.AIOKafkaConsumerThread):
    """The thread that fetches: read committed, quick to answer, and it tells positions with the records."""

    logger = _faust_log

    def _create_worker_consumer(self, transport: driver.Transport) -> Any:
        consumer = super()._create_worker_consumer(transport)
        # Faust sets both without a way to configure them; aiokafka reads them when it starts.
        consumer._isolation_level = "read_committed"
        consumer._fetch_max_wait_ms = _FETCH_MAX_WAIT_MS
        return consumer

    async def on_start(self) -> None:
        """Start the consumer."""
        await super().on_start()
        fetcher = self._ensure_consumer()._fetcher
        fetcher._records = _PlainResults(fetcher._records)

    async def _fetch_records(
        self, consumer: Any, active_partitions: set[TP], timeout: float | None = None, max_records: int | None = None
    ) -> Any:
        # Faust never asks for them: a member that was refused by its group would wait for ever, looking alive.
        consumer._coordinator.check_errors()
        if consumer._fetcher.error_future.done():
            consumer._fetcher.error_future.result()
        before = _positions(consumer)
        fetched = await super()._fetch_records(consumer, active_partitions, timeout=timeout, max_records=max_records)
        after = _positions(consumer) if fetched else {}
        return {
            tp: Run(records, before.get(tp), after.get(tp, records[-1].offset + 1)) for tp, records in fetched.items()
        }

    def membership(self, instance: str) -> Membership:
        """The group membership as it is now."""
        coordinator = self._ensure_consumer()._coordinator
        return Membership(
            group=coordinator.group_id,
            generation=coordinator.generation,
            member=coordinator.member_id,
            instance=instance,
        )


class _PlainResults(OrderedDict[Any, Any]):
    """aiokafka's fetched data, which is told to hand out its records as they are parsed.

    Copying each into a `ConsumerRecord` would cost more than parsing it.
    """

    def __setitem__(self, tp: Any, result: Any) -> None:
        if isinstance(result, FetchResult):
            result._partition_records._consumer_record = _as_parsed
        super().__setitem__(tp, result)


def _as_parsed(_: Any, record: Any) -> Any:
    return record


def _positions(consumer: Any) -> dict[TP, int]:
    subscription = consumer._subscription.subscription
    assignment = None if subscription is None else subscription.assignment
    if assignment is None or not assignment.active:
        return {}
    states = {TP(*tp): assignment.state_value(tp) for tp in assignment.tps}
    return {tp: state.position for tp, state in states.items() if state.has_valid_position}


class ChunkConsumer(driver.Consumer):
    """Consumer whose messages are chunks and whose positions follow the folded state."""

    logger = _faust_log

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._next: dict[TP, int] = {}

    def _new_consumer_thread(self) -> ChunkThread:
        return ChunkThread(self, loop=self.loop, beacon=self.beacon)

    @property
    def _keeper(self) -> OffsetKeeper:
        return cast(OffsetKeeper, self.app)

    def membership(self, instance: str) -> Membership:
        """The group membership as it is now."""
        return cast(ChunkThread, self._thread).membership(instance)

    async def perform_seek(self) -> None:
        """Read on where the folded state ends (Faust: at the committed offsets)."""
        assigned = self.assignment()
        offsets = {tp: offset for tp, offset in self._keeper.offsets().items() if tp in assigned}
        self._next = dict(offsets)
        if offsets:
            await self.seek_wait(offsets)

    async def getmany(self, timeout: float) -> AsyncIterator[tuple[TP, Message]]:
        """The next chunks, at most one fetch's worth."""
        try:
            runs, _ = await self._wait_next_records(timeout)
        except NoOffsetForPartitionError:
            return  # aiokafka looked for a committed offset before `perform_seek` said where to read
        except KafkaError as error:
            self._keeper.fail(Unavailable(f"reading the events failed: {error!r}"))
            await self.sleep(timeout)
            return
        generation = self.app.consumer_generation_id
        for tp, run in cast(dict[TP, Run], runs or {}).items():
            tp = TP(*tp)
            if self.should_stop or not self.flow_active or self.app.consumer_generation_id != generation:
                return
            expected = self._next.get(tp)
            if expected is None:
                continue
            if run.start != expected:
                _log.debug("%s: fetched from offset %s, not %d: reading again from there", tp, run.start, expected)
                await self.seek_wait({tp: expected})
                continue
            for chunk in cut(run):
                self._next[tp] = chunk.end
                yield tp, self._chunk_message(tp, chunk, generation)

    def _chunk_message(self, tp: TP, chunk: Chunk, generation: int) -> Message:
        last = cast(Any, chunk.records[-1])
        return ConsumerMessage(
            tp.topic,
            tp.partition,
            last.offset,
            (last.timestamp or 0) / 1000,
            last.timestamp_type,
            [],
            None,
            chunk,  # type: ignore[arg-type]  # Faust passes it on unread, see ChunkSchema
            None,
            0,
            0,
            tp,
            generation_id=generation,
        )

    async def on_partitions_revoked(self, revoked: set[TP]) -> None:
        """Stop the flow, then wait for the transactions under way while the membership is still good."""
        await super().on_partitions_revoked(revoked)
        self._next = {}
        await self._keeper.revoked()

    def ack(self, message: Message) -> bool:
        """A chunk was handed over."""
        message.acked = True
        self._unacked_messages.discard(message)
        return True

    async def _add_gap(self, tp: TP, offset_from: int, offset_to: int) -> None:
        """Nothing to note: holes are normal."""

    def verify_event_path(self, now: float, tp: TP) -> None:
        """Nothing to warn of: it looks for commits by Faust."""


def cut(run: Run) -> Iterator[Chunk]:
    """Cut a run into chunks below the limits of records and bytes; a chunk has at least one record."""
    records, start = run.records, cast(int, run.start)
    first = size = 0
    for index, record in enumerate(records):
        length = len(record.value or b"")
        if index > first and (size + length > CHUNK_BYTES or index - first >= CHUNK_RECORDS):
            yield Chunk(records[first:index], start, record.offset)
            first, size, start = index, 0, record.offset
        size += length
    yield Chunk(records if first == 0 else records[first:], start, run.end)


class ChunkTransport(driver.Transport):
    """The aiokafka transport with chunks."""

    Consumer = ChunkConsumer


class ChunkSchema(faust.Schema):  # type: ignore[type-arg]  # generic in Faust's types alone
    """Passes a chunk on as it is; its records are decoded by the fold."""

    def loads_key(self, app: Any, message: Message, **_: Any) -> None:
        """No key: a chunk has many."""

    def loads_value(self, app: Any, message: Message, **_: Any) -> Any:  # noqa: ARG002  # as Faust calls it
        """The chunk itself."""
        return message.value
