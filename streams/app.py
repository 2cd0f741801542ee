"""The Faust app of a group of topics: its settings, and the registration of its tables and its agent."""

import asyncio
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import faust
from faust.types import TP
from faust.types.transports import TransportT

from schemas import Fatal, HeadraceError
from streams.assignment import Assignment
from streams.engine import Engine
from streams.gauges import Gauges
from streams.group import Group, Place
from streams.reading import ChunkReader
from streams.store import Store
from streams.tables import BulkTableManager, FoldedTable
from streams.transport import ChunkConsumer, ChunkSchema, ChunkTransport

_SESSION_SECONDS = 10.0
_HEARTBEAT_SECONDS = 1.0
_faust_log = logging.getLogger("faust.app")  # what Faust's services say of themselves


class FoldingApp(faust.App):
    """A Faust app whose agent folds chunks.

    `instance` is the static member id: a worker that is started again within the session timeout gets its
    partitions back at once. `stores` makes the store of a partition number. `failure` is set to what ended the work;
    the worker must then be stopped.
    """

    logger = _faust_log

    def __init__(
        self,
        group: Group,
        engine: Engine,
        stores: Callable[[int], Store],
        *,
        kafka: str,
        data: Path,
        instance: str,
        gauges: Gauges,
    ) -> None:
        super().__init__(
            group.name,
            broker=[f"aiokafka://{server}" for server in kafka.split(",")],
            store="memory://",
            datadir=str(data / group.name),
            web_enabled=False,
            topic_partitions=group.partitions,
            topic_allow_declare=False,
            topic_disable_leader=True,
            table_standby_replicas=0,
            TableManager=BulkTableManager,
            consumer_group_instance_id=instance,
            consumer_auto_offset_reset="earliest",
            broker_session_timeout=_SESSION_SECONDS,
            broker_heartbeat_interval=_HEARTBEAT_SECONDS,
        )
        self._kafka = kafka
        self.group = group
        self.sources = frozenset(group.sources)
        self.instance = instance
        self.gauges = gauges
        self.failure: HeadraceError | None = None
        self.assignment = Assignment(kafka, group, engine, stores, gauges, self.fail, self._read_again)

    def _new_transport(self) -> TransportT:
        return ChunkTransport(self.conf.broker_consumer, self)

    def fail(self, error: HeadraceError) -> None:
        """End the work because of `error`; the first one counts."""
        self.failure = self.failure or error

    def new_reader(self) -> ChunkReader:
        """A reader of the sources."""
        return ChunkReader(self._kafka)

    def _read_again(self) -> None:
        consumer = self.consumer
        assert isinstance(consumer, ChunkConsumer)
        consumer.read_again()

    def offsets(self) -> dict[TP, int]:
        """The offset at which to go on reading, of each partition that may be read."""
        return {TP(*place): next_ for place, next_ in self.assignment.offsets().items()}

    def busy(self, place: Place) -> "asyncio.Future[None] | None":
        """What a small chunk of the partition waits for."""
        return self.assignment.busy(place[1])

    async def take_over(self) -> None:
        """Open the partitions that the group has assigned to this worker.

        After an error this never returns, so that nothing is read: the work has ended.
        """
        consumer = self.consumer
        assert isinstance(consumer, ChunkConsumer)
        membership = consumer.membership(self.instance)
        try:
            await self.assignment.open(self._numbers(consumer.assignment()), membership)
        except HeadraceError as error:
            self.fail(error)
            await asyncio.get_running_loop().create_future()
        self._show()

    def _numbers(self, assigned: set[TP]) -> set[int]:
        """The numbers assigned. Raises Fatal when one is not assigned with all of its topics."""
        by_topic = [{tp.partition for tp in assigned if tp.topic == topic} for topic in self.group.sources]
        if any(numbers != by_topic[0] for numbers in by_topic):
            raise Fatal(f"{self.group.name}: partitions of {', '.join(self.group.sources)} were not assigned together")
        return by_topic[0]

    async def revoked(self) -> None:
        """All partitions are about to be taken away."""
        await self.assignment.close()
        self._show()

    def _show(self) -> None:
        for index, name in enumerate(self.group.tables):
            cast(FoldedTable, self.tables[name]).show(self.assignment.rows(index))


def register(app: FoldingApp) -> None:
    """Register the tables, whose changelogs are those of the group, and the agent that folds all its sources."""
    group = app.group
    for name, changelog in group.tables.items():
        topic = app.topic(changelog, partitions=group.partitions, key_type=bytes, value_type=bytes, compacting=True)
        app.tables.add(
            FoldedTable(
                app, name=name, partitions=group.partitions, key_type=bytes, value_type=bytes, changelog_topic=topic
            )
        )

    # One agent for all: chunks of a partition number must come one after the other.
    sources = app.topic(*group.sources, schema=ChunkSchema())

    @app.agent(sources, name=f"{group.name}.fold")
    async def fold(stream: Any) -> None:
        async for event in stream.noack().events():
            await app.assignment.process(event.message.topic, event.message.partition, event.value)
            event.ack()
