"""Takes what aiokafka's fetcher has fetched as whole runs of records, and not one by one.

The fetcher finds leaders, fetches ahead, waits out brokers that are away and knows which transactions were aborted. Of
its way of handing out records, which costs more than parsing them does, nothing is used. Pinned to the versions in
`streams/pinned.py`: this reaches into its inside.
"""

from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any, cast

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.consumer.fetcher import FetchResult, PartitionRecords
from aiokafka.errors import CorruptRecordException

from streams.changes import Record
from streams.group import Place

_record = cast(Callable[[Any], Record], partial(tuple.__new__, Record))


class Fetching:
    """A consumer in no group, which reads committed records. Used from one event loop."""

    def __init__(self, kafka: str, wait_ms: int, partition_bytes: int) -> None:
        self._consumer = AIOKafkaConsumer(
            bootstrap_servers=kafka,
            group_id=None,
            enable_auto_commit=False,
            auto_offset_reset="none",
            isolation_level="read_committed",
            check_crcs=True,
            fetch_max_wait_ms=wait_ms,
            max_partition_fetch_bytes=partition_bytes,
        )

    async def start(self) -> None:
        """Connect. Raises KafkaError when no broker answers."""
        await self._consumer.start()
        self._consumer._fetcher._records = _Fetched()

    def read_from(self, offsets: "dict[Place, int]") -> None:
        """Read these partitions, and no others, from these offsets; what was fetched before comes no more."""
        # In one go: a partition without a position would ask for a committed one.
        self._consumer.assign([TopicPartition(*place) for place in offsets])
        for place, offset in offsets.items():
            self._consumer.seek(TopicPartition(*place), offset)

    async def take(self, seconds: float, runs: int) -> dict[Place, list[list[Record]]]:
        """So many `runs` of records at most, each in order, of some partitions; waits up to `seconds` for the first.

        Raises KafkaError when a partition cannot be read on.
        """
        fetcher = self._consumer._fetcher
        if fetcher.error_future.done():
            fetcher.error_future.result()
        found = await fetcher.fetched_records((), timeout=seconds, max_records=runs)
        return {(tp.topic, tp.partition): each for tp, each in found.items()}

    def position(self, place: Place) -> int:
        """The offset after all that was taken of a partition, beyond markers and aborted records."""
        state = self._consumer._subscription.subscription.assignment.state_value(TopicPartition(*place))
        return cast(int, state.position)

    async def stop(self) -> None:
        """Disconnect."""
        await self._consumer.stop()


class _Fetched(OrderedDict[Any, Any]):
    """The fetcher's results, by partition, which hand out runs of records."""

    def __setitem__(self, tp: Any, result: Any) -> None:
        if isinstance(result, FetchResult):
            fetched = result._partition_records
            fetched._records_iterator = _runs(fetched)
        super().__setitem__(tp, result)


def _runs(fetched: PartitionRecords) -> Iterator[Sequence[Record]]:
    """What `PartitionRecords._unpack_records` does, batch by batch."""
    batches = fetched._records
    while batches.has_next():
        batch = batches.next_batch()
        if not batch.validate_crc():
            raise CorruptRecordException(f"a batch of {fetched._tp} has a wrong checksum")
        if not _is_left_out(fetched, batch):
            records = [_record((record.key, record.value, record.offset)) for record in batch]
            if records and records[0].offset < fetched.next_fetch_offset:  # a batch is fetched as a whole
                records = [record for record in records if record.offset >= fetched.next_fetch_offset]
            fetched.next_fetch_offset = batch.next_offset
            if records:
                yield records
        fetched.next_fetch_offset = batch.next_offset


def _is_left_out(fetched: PartitionRecords, batch: Any) -> bool:
    """Whether a batch is a marker or of an aborted transaction."""
    if batch.producer_id is not None:
        fetched._consume_aborted_up_to(batch.base_offset)
        if batch.is_control_batch and fetched._contains_abort_marker(batch):
            fetched._aborted_producers.discard(batch.producer_id)
        if batch.is_transactional and batch.producer_id in fetched._aborted_producers:
            return True
    return bool(batch.is_control_batch)
