"""The Faust app of one domain: its settings, and the registration of its tables and its agent."""

import asyncio
import logging
from pathlib import Path
from typing import Any, cast

import faust
from faust.types import TP
from faust.types.transports import TransportT

from schemas import Domain, HeadraceError
from streams.assignment import Assignment
from streams.folding import Folder
from streams.gauges import Gauges
from streams.tables import BulkTableManager, FoldedTable
from streams.transport import CHUNK_RECORDS, ChunkConsumer, ChunkSchema, ChunkTransport

_SESSION_SECONDS = 10.0
_HEARTBEAT_SECONDS = 1.0
_CHUNKS_QUEUED = 4


_faust_log = logging.getLogger("faust.app")  # what Faust's services say of themselves


class FoldingApp(faust.App):
    """A Faust app whose agent folds chunks.

    `instance` is the static member id: a worker that is started again within the session timeout gets its
    partitions back at once. `failure` is set to what ended the work; the worker must then be stopped.
    """

    logger = _faust_log

    def __init__(self, domain: Domain, folder: Folder, *, kafka: str, data: Path, instance: str) -> None:
        super().__init__(
            domain.worker_app,
            broker=[f"aiokafka://{server}" for server in kafka.split(",")],
            store="memory://",
            datadir=str(data / domain.worker_app),
            web_enabled=False,
            topic_partitions=domain.partitions,
            topic_allow_declare=False,
            topic_disable_leader=True,
            table_standby_replicas=0,
            Table=FoldedTable,
            TableManager=BulkTableManager,
            consumer_group_instance_id=instance,
            consumer_auto_offset_reset="none",
            broker_session_timeout=_SESSION_SECONDS,
            broker_heartbeat_interval=_HEARTBEAT_SECONDS,
            broker_commit_interval=60.0,
            broker_max_poll_records=4 * CHUNK_RECORDS,
            stream_buffer_maxsize=_CHUNKS_QUEUED,
        )
        self.domain = domain
        self.instance = instance
        self.gauges = Gauges(domain.key)
        self.failure: HeadraceError | None = None
        self.assignment = Assignment(kafka, domain, folder, self.gauges, self.fail)

    def _new_transport(self) -> TransportT:
        return ChunkTransport(self.conf.broker_consumer, self)

    def fail(self, error: HeadraceError) -> None:
        """End the work because of `error`; the first one counts."""
        self.failure = self.failure or error

    def offsets(self) -> dict[TP, int]:
        """The offset at which to go on reading, of each partition that may be read."""
        return {TP(self.domain.events_topic, number): next_ for number, next_ in self.assignment.offsets().items()}

    async def take_over(self) -> None:
        """Open the partitions that the group has assigned to this worker.

        After an error this never returns, so that nothing is read: the work has ended.
        """
        consumer = self.consumer
        assert isinstance(consumer, ChunkConsumer)
        membership = consumer.membership(self.instance)
        numbers = [tp.partition for tp in consumer.assignment() if tp.topic == self.domain.events_topic]
        try:
            await self.assignment.open(numbers, membership)
        except HeadraceError as error:
            self.fail(error)
            await asyncio.get_running_loop().create_future()
        self._show()

    async def revoked(self) -> None:
        """All partitions are about to be taken away."""
        await self.assignment.close()
        self._show()

    def _show(self) -> None:
        for index, table in enumerate(self.tables.values()):
            cast(FoldedTable, table).show(self.assignment.rows(index))


def register(app: FoldingApp, folder: Folder) -> None:
    """Register the tables, their changelogs being the aggregate topics, and the agent that folds the events."""
    domain = app.domain
    for aggregate in folder.aggregates:
        changelog = app.topic(
            domain.aggregate_topic(aggregate),
            partitions=domain.partitions,
            key_type=bytes,
            value_type=bytes,
            compacting=True,
        )
        app.Table(
            aggregate.name, partitions=domain.partitions, key_type=bytes, value_type=bytes, changelog_topic=changelog
        )

    events = app.topic(domain.events_topic, schema=ChunkSchema(), maxsize=_CHUNKS_QUEUED)

    @app.agent(events, name=f"{domain.worker_app}.fold")
    async def fold(stream: Any) -> None:
        async for event in stream.noack().events():
            await app.assignment.process(event.message.partition, event.value)
            event.ack()
