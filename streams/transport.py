"""Chunk transport: Faust's aiokafka driver, but the agent of the group's sources gets whole runs of records.

Faust and aiokafka keep the membership in the group, its heartbeats, rebalances and the assignment. They do not fetch
the sources: a `ChunkReader` does. Where to read is what the folded state says (`FoldingApp.offsets`), and Faust's own
offset commit has nothing to do with it: an offset is committed in the transaction of its chunk. Topics of ordinary
agents go Faust's way.
"""

import asyncio
import logging
from collections.abc import Container, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Protocol, cast

import faust
from aiokafka import TopicPartition
from aiokafka.errors import KafkaError
from faust.transport.drivers import aiokafka as driver
from faust.types import TP, Message
from faust.types.tuples import ConsumerMessage

from schemas import HeadraceError, Unavailable
from streams.group import Membership, Place
from streams.ordinary import OrdinaryProducer
from streams.reading import Chunk, ChunkReader
from streams.waiting import Waiting

_faust_log = logging.getLogger("faust.chunks")  # what Faust's services say of themselves

_FETCH_MAX_WAIT_MS = 100
_TICK_SECONDS = 1.0
_PAUSE_SECONDS = 0.05


class OffsetKeeper(Protocol):
    """The app as the transport needs it."""

    sources: Container[str]

    def new_reader(self) -> ChunkReader:
        """A reader of the sources."""

    def offsets(self) -> dict[TP, int]:
        """The offset at which to go on reading, of each partition that may be read."""

    def busy(self, place: Place) -> "asyncio.Future[None] | None":
        """What a small chunk of the partition waits for; None when for nothing."""

    async def revoked(self) -> None:
        """All partitions are about to be taken away."""

    def fail(self, error: HeadraceError) -> None:
        """End the work because of `error`."""


class ChunkThread(driver.AIOKafkaConsumerThread):
    """The thread of the membership. Of the sources it fetches nothing."""

    logger = _faust_log

    def _create_worker_consumer(self, transport: driver.Transport) -> Any:
        consumer = super()._create_worker_consumer(transport)
        # Faust sets both without a way to configure them; aiokafka reads them when it starts.
        consumer._isolation_level = "read_committed"
        consumer._fetch_max_wait_ms = _FETCH_MAX_WAIT_MS
        return consumer

    async def on_partitions_assigned(self, assigned: set[TP], generation_id: int = 0) -> None:
        """Leave the sources to the reader."""
        sources = cast(OffsetKeeper, self.app).sources
        self._ensure_consumer().pause(*(TopicPartition(*tp) for tp in assigned if tp.topic in sources))
        await super().on_partitions_assigned(assigned, generation_id)

    async def alive(self) -> None:
        """Say to the group that work goes on. Raises KafkaError when the group has refused this member."""
        await self.call_thread(self._alive)

    async def _alive(self) -> None:
        consumer = self._ensure_consumer()
        # Faust never asks: a member that was refused by its group would wait for ever, looking alive.
        consumer._coordinator.check_errors()
        # aiokafka takes a member for dead that fetches nothing.
        with consumer._subscription.fetch_context():
            pass

    def membership(self, instance: str) -> Membership:
        """The group membership as it is now."""
        coordinator = self._ensure_consumer()._coordinator
        return Membership(
            group=coordinator.group_id,
            generation=coordinator.generation,
            member=coordinator.member_id,
            instance=instance,
        )


class ChunkConsumer(driver.Consumer):
    """Consumer that hands out chunks of the sources, from where the folded state ends, and messages of other topics."""

    logger = _faust_log

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._places: set[Place] = set()  # to read, of the sources
        self._from_start = False
        self._resuming: set[TP] = set()  # to read once they have been sought, of ordinary topics
        self._reader = ThreadPoolExecutor(1, "headrace-read")
        self._reading: asyncio.Future[list[tuple[Place, Chunk]]] | None = None
        self._waiting = Waiting()
        self._folded = asyncio.Event()

    def _new_consumer_thread(self) -> ChunkThread:
        return ChunkThread(self, loop=self.loop, beacon=self.beacon)

    @property
    def _keeper(self) -> OffsetKeeper:
        return cast(OffsetKeeper, self.app)

    def membership(self, instance: str) -> Membership:
        """The group membership as it is now."""
        return cast(ChunkThread, self._thread).membership(instance)

    async def on_start(self) -> None:
        """Start the consumer."""
        await super().on_start()
        self.add_future(self._stay_alive())
        self.add_future(self._hand_out())

    async def _stay_alive(self) -> None:
        while not self.should_stop:
            try:
                await cast(ChunkThread, self._thread).alive()
            except KafkaError as error:
                self._keeper.fail(Unavailable(f"the group refused this worker: {error!r}"))
            await self.sleep(_TICK_SECONDS)

    def read_again(self) -> None:
        """Read on where the folded state ends, whatever has been handed out."""
        self._from_start = True

    async def perform_seek(self) -> None:
        """Read the sources on where the folded state ends, other topics at their committed offsets."""
        assigned = self.assignment()
        self._places = {place for place in self._keeper.offsets() if place in assigned}
        self.read_again()
        # Faust seeks also when it drops what it fetched during a rebalance, after which it seeks anyway.
        if self.flow_active and self._resuming:
            await super().perform_seek()
            super().resume_partitions(self._resuming)
            self._resuming = set()

    async def _hand_out(self) -> None:
        """Read on, and hand chunk after chunk to the agent, each when it is done with the one before it."""
        reader = self._keeper.new_reader()
        try:
            while not self.should_stop:
                if self._places and self.flow_active:
                    await self._hand_out_some(reader)
                else:
                    await self.sleep(_PAUSE_SECONDS)
        except HeadraceError as error:
            self._keeper.fail(error)
        finally:
            self._reader.submit(reader.close)
            self._reader.shutdown(wait=False)

    async def _hand_out_some(self, reader: ChunkReader) -> None:
        loop, generation = asyncio.get_running_loop(), self.app.consumer_generation_id
        if self._reading is not None and (self._from_start or self._reading.done()):
            reading, self._reading = self._reading, None
            for place, chunk in await reading:
                self._waiting.add(place, chunk)
        elif self._from_start:
            self._from_start = False
            self._waiting.clear()
            offsets: dict[Place, int] = {tp: at for tp, at in self._keeper.offsets().items() if tp in self._places}
            await loop.run_in_executor(self._reader, reader.start, offsets)
        else:
            if self._reading is None and not self._waiting.is_full:
                self._reading = loop.run_in_executor(self._reader, reader.read)
            if found := self._waiting.take(lambda place: self._keeper.busy(place) is not None):
                await self._hand(_message(TP(*found[0]), found[1], generation))
            else:
                busy: list[asyncio.Future[Any] | None] = [*map(self._keeper.busy, self._waiting.places)]
                under_way = [each for each in (*busy, self._reading) if each is not None]
                await asyncio.wait(under_way, return_when=asyncio.FIRST_COMPLETED)
        if self.app.consumer_generation_id != generation:
            self.read_again()

    async def _hand(self, message: Message) -> None:
        """Hand a chunk to the agent, and wait until it is folded or the flow stops."""
        self._folded.clear()

        async def handed() -> None:
            await self.callback(message)
            await self._folded.wait()

        handing = handed()
        if handing not in (await self.wait_first(handing, self.suspend_flow.wait())).done:
            self.read_again()

    async def on_partitions_revoked(self, revoked: set[TP]) -> None:
        """Stop the flow, then wait for the transactions under way while the membership is still good."""
        if any(tp.topic not in self._keeper.sources for tp in revoked):
            await self._settle_ordinary()
        await super().on_partitions_revoked(revoked)
        self._places = set()
        await self._keeper.revoked()

    async def _settle_ordinary(self) -> None:
        # Faust forgets what was acknowledged before it commits: all since its last commit would be done again.
        self._resuming = set()
        self.stop_flow()
        self.app.flow_control.suspend()
        self.app.flow_control.clear()
        await self.wait_empty()

    async def _add_gap(self, tp: TP, offset_from: int, offset_to: int) -> None:
        # Faust counts the record behind the hole among the hole: then a commit stops there, as it is there twice.
        await super()._add_gap(tp, offset_from, offset_to - 1)

    def _set_active_tps(self, tps: set[TP]) -> set[TP]:
        return super()._set_active_tps({tp for tp in tps if self._is_changelog_tp(tp)})

    def resume_partitions(self, tps: Iterable[TP]) -> None:
        """Fetch from ordinary topics again: from changelogs at once, from others once they have been sought."""
        # Faust would hand out what comes before it seeks, and then again.
        ordinary = {tp for tp in tps if tp.topic not in self._keeper.sources}
        super().resume_partitions({tp for tp in ordinary if self._is_changelog_tp(tp)})
        self._resuming |= {tp for tp in ordinary if not self._is_changelog_tp(tp)}

    def on_buffer_full(self, tp: TP) -> None:
        """The queue of an agent is full."""
        if tp.topic not in self._keeper.sources:
            super().on_buffer_full(tp)

    def ack(self, message: Message) -> bool:
        """A message was processed; of a chunk: it was folded, and its transaction began."""
        if message.topic not in self._keeper.sources:
            return super().ack(message)
        message.acked = True
        self._unacked_messages.discard(message)
        self._folded.set()
        return True

    def verify_event_path(self, now: float, tp: TP) -> None:
        """Watch over the ordinary topics: of the sources Faust would look for commits of its own."""
        if tp.topic not in self._keeper.sources:
            super().verify_event_path(now, tp)


def _message(tp: TP, chunk: Chunk, generation: int) -> Message:
    return ConsumerMessage(
        tp.topic,
        tp.partition,
        chunk.end - 1,
        0,
        0,
        [],
        None,
        chunk,  # type: ignore[arg-type]  # Faust passes it on unread, see ChunkSchema
        None,
        0,
        0,
        tp,
        generation_id=generation,
    )


class ChunkTransport(driver.Transport):
    """The aiokafka transport with chunks."""

    Consumer = ChunkConsumer
    Producer = OrdinaryProducer


class ChunkSchema(faust.Schema):  # type: ignore[type-arg]  # generic in Faust's types alone
    """Passes a chunk on as it is; its records are decoded by the fold."""

    def loads_key(self, app: Any, message: Message, **_: Any) -> None:
        """No key: a chunk has many."""

    def loads_value(self, app: Any, message: Message, **_: Any) -> Any:  # noqa: ARG002  # as Faust calls it
        """The chunk itself."""
        return message.value
