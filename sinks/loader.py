"""Loads one topic into ClickHouse, exactly once: the sink protocol's rules 2, 9 and 12 to 14.

One thread polls, commits and handles the group's callbacks, another one inserts. Before a batch is inserted its bounds
are committed as metadata of the offset that it starts at; whoever owns the partition after a crash forms that very
batch again and inserts it under the same token, which changes nothing when it was in already.
"""

import logging
import threading
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from itertools import groupby
from operator import itemgetter
from typing import cast

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicCollection, TopicPartition
from confluent_kafka.admin import AdminClient

from schemas import Control, Fatal, Unavailable, reach
from sinks.bounds import Bounds, decode
from sinks.clickhouse import ClickHouse, Late
from sinks.forming import Record
from sinks.partition import Partition
from sinks.progress import Reached
from sinks.rounds import LARGE, Formed, Rounds
from sinks.targets import Target

_log = logging.getLogger(__name__)
_POLL_SECONDS = 0.1
_LOOK_SECONDS = 0.02  # how often it looks whether a round has become large
_GRAB = 50_000
_TIMEOUT = 10.0


class Rejoin(Unavailable):
    """This member must leave its group, forget all, and come back as a new member (rule 14)."""


class Loader:
    """Loads the topic of one target from joining its group to leaving it. Not for several threads."""

    def __init__(self, kafka: str, target: Target, clickhouse: ClickHouse) -> None:
        self._target = target
        self._rounds = Rounds(clickhouse, target)
        if self._rounds.pace.paused:
            raise Unavailable(f"{target.database} is being loaded anew, and its tables are exchanged", retry_after=1)
        self._admin = AdminClient({"bootstrap.servers": kafka})
        self._topic_id = self._read_topic_id()
        self._partitions: dict[int, Partition] = {}
        self._failure: Exception | None = None
        settings = _settings(kafka, target.group)
        self._consumer = Consumer(settings, logger=logging.getLogger("sinks.librdkafka"))
        self._consumer.subscribe([target.topic], on_assign=self._assigned, on_revoke=self._revoked, on_lost=self._lost)

    def run(self, stop: threading.Event) -> None:
        """Load until `stop` or a pause. Raises Unavailable when to come back as a new member, else Fatal."""
        try:
            while not (stop.is_set() or self._rounds.pace.paused):
                self._take(1, _POLL_SECONDS)
                self._take(_GRAB, 0)
                while (rest := self._rounds.wait(self._buffered)) and not stop.wait(min(rest, _LOOK_SECONDS)):
                    if self._buffered < LARGE:
                        self._take(_GRAB, 0)
                self._load()
            self._settle()
            self._acknowledge(self._partitions.values())
        except KafkaException as error:
            raise Rejoin(f"Kafka: {error.args[0].str()}", retry_after=0.5) from error
        finally:
            self._rounds.close()
            self._target.held().close()
            self._partitions.clear()
            self._consumer.close()

    @property
    def _buffered(self) -> int:
        return sum(len(partition.buffer) for partition in self._partitions.values())

    def _take(self, count: int, seconds: float) -> None:
        messages = self._consumer.consume(count, seconds)
        if self._failure is not None:  # of a callback; what follows from it is not the cause
            raise self._failure
        if any(map(Message.error, messages)):
            for message in messages:
                if error := message.error():
                    self._note(message, error)
            messages = [message for message in messages if message.error() is None]
        for number, records in _by_partition(messages):
            if partition := self._partitions.get(number):
                partition.add(records)

    def _note(self, message: Message, error: KafkaError) -> None:
        """Take in what is no record: the end of a partition, or what is wrong."""
        number = message.partition()
        if error.code() == KafkaError._PARTITION_EOF:
            if number in self._partitions:
                self._partitions[number].end = message.offset() or 0
        elif error.code() == KafkaError._AUTO_OFFSET_RESET:
            raise Fatal(
                f"{self._target.topic}[{number}]: the committed offset is gone from the topic ({error.str()}): "
                "records were trimmed before they were loaded. Rebuild into new tables"
            )
        elif error.fatal() or not error.retriable():
            _log.warning("%s: %s", self._target.topic, error.str())

    def _load(self) -> None:
        """Form a round of what is here, and begin to insert it once the one before it is in the tables."""
        formed = []
        for partition in self._partitions.values():
            if batch := partition.take(self._target.topic):
                inserts = self._target.inserts(partition.number, batch.records, self._types)
                formed.append(Formed(partition, batch, inserts))
        if formed:
            reach("load.cut")
            self._settle()
            deadline = self._rounds.inserting.deadline()
            self._announce(formed)
            self._rounds.begin(formed, deadline, self._target.held())
        elif self._rounds.resting:
            self._settle()
            self._rounds.pace.look()
        self._acknowledge([partition for partition in self._partitions.values() if partition.idle])

    def _types(self, table: str) -> Mapping[str, str]:
        """ClickHouse types of a table's columns, read over the connection when nothing else uses it."""
        known = self._rounds.inserting.known(table)
        if known is None:
            self._settle()
            known = self._rounds.inserting.types(table)
        return known

    def _settle(self) -> None:
        try:
            self._rounds.settle()
        except Late as error:
            raise Rejoin(error.detail, retry_after=0.5) from error

    def _announce(self, formed: Iterable[Formed]) -> None:
        """Commit the bounds of the batches that have rows, all at once (rule 9)."""
        fresh = [each for each in formed if each.inserted and not each.batch.again]
        if fresh:
            self._commit({each.partition.number: each.batch.bounds for each in fresh})
            for each in fresh:
                each.partition.announced(each.batch)
        reach("load.announced")

    def _acknowledge(self, partitions: Iterable[Partition]) -> None:
        """Commit that all is loaded of partitions that have no batch pending (rule 12)."""
        due = [p for p in partitions if not p.acknowledged and not p.pending]
        if due:
            self._commit({partition.number: partition.settled() for partition in due})
            for partition in due:
                partition.acknowledged = True
            reach("load.acknowledged")

    def _commit(self, bounds: dict[int, Bounds]) -> None:
        offsets = [
            TopicPartition(self._target.topic, number, each.start, metadata=each.encode())
            for number, each in bounds.items()
        ]
        for committed in self._consumer.commit(offsets=offsets, asynchronous=False) or ():
            if committed.error is not None:
                raise KafkaException(committed.error)

    # The group's callbacks run inside consume(), in this thread. What they raise would be lost there.

    def _assigned(self, consumer: Consumer, assigned: list[TopicPartition]) -> None:
        try:
            if self._read_topic_id() != self._topic_id:
                raise Rejoin(f"{self._target.topic} was made anew", retry_after=0.5)
            self._settle()
            committed = consumer.committed(assigned, timeout=_TIMEOUT) if assigned else []
            self._partitions = {each.partition: self._open(each) for each in committed}
            starts = [TopicPartition(self._target.topic, p.number, p.bounds.start) for p in self._partitions.values()]
            consumer.assign(starts)
        except Exception as error:
            self._failure = error

    def _revoked(self, *_: object) -> None:
        try:
            self._settle()
            self._acknowledge(self._partitions.values())
        except KafkaException as error:
            _log.info("%s: %s; the next owner goes on from the announced bounds", self._target.topic, error)
        except Exception as error:
            self._failure = error
        self._partitions.clear()

    def _lost(self, *_: object) -> None:
        self._partitions.clear()

    def _open(self, committed: TopicPartition) -> Partition:
        where, number = f"{self._target.topic}[{committed.partition}]", committed.partition
        if committed.error is not None:
            raise KafkaException(committed.error)
        highest = self._rounds.progress.highest_offset(number)
        if committed.offset < 0:
            return self._begin(where, number, highest)
        bounds = decode(committed.metadata, self._topic_id, where)
        limit = bounds.start if bounds.to is None else bounds.to
        if bounds.start != committed.offset or (highest is not None and highest >= limit):
            raise Fatal(
                f"{where}: the tables hold offset {highest}, the group's commit says {committed.offset} with bounds "
                f"{bounds.start} to {bounds.to}: the offsets were set back. Loading on would double rows: open a new "
                "epoch into new tables"
            )
        return Partition(number, bounds, bounds.start)

    def _begin(self, where: str, number: int, highest: int | None) -> Partition:
        """First time: nothing is committed, so nothing may be in the tables either."""
        first, _ = self._consumer.get_watermark_offsets(TopicPartition(self._target.topic, number), timeout=_TIMEOUT)
        if highest is not None or first > 0:
            raise Fatal(
                f"{where}: the group has no committed offset, but the tables hold offset {highest} and the topic "
                f"begins at {first}: offsets expired or records were trimmed. Rebuild into new tables"
            )
        began = datetime.now(UTC)
        # Later epochs sort behind earlier ones, so that the last one's progress is known to be the one that counts.
        epoch = f"{began:%Y%m%dT%H%M%S%f}-{uuid.uuid4().hex[:6]}"
        partition = Partition(number, Bounds(topic=self._topic_id, epoch=epoch, start=0), 0)
        self._rounds.progress.write([Reached(number, epoch, 0, Control(position=0, time=began))])
        self._commit({number: partition.bounds})
        return partition

    def _read_topic_id(self) -> str:
        """The unique id of the topic: one made anew has another. Raises Unavailable or Fatal."""
        topic = self._target.topic
        try:
            described = self._admin.describe_topics(TopicCollection([topic]))
            return str(described[topic].result(_TIMEOUT).topic_id)
        except KafkaException as error:
            if error.args[0].code() == KafkaError.UNKNOWN_TOPIC_OR_PART:
                raise Fatal(f"topic {topic} does not exist: declare the topics first (`headrace up`)") from error
            raise Unavailable(f"Kafka: {error.args[0].str()}", retry_after=1) from error
        except TimeoutError as error:
            raise Unavailable("Kafka does not answer", retry_after=1) from error


def _by_partition(messages: Sequence[Message]) -> Iterator[tuple[int, list[Record]]]:
    """The records, by runs of one partition. Methods are called by map and not one by one: this is done for each."""
    parts = map(Message.offset, messages), map(Message.key, messages), map(Message.value, messages)
    records = map(cast(Callable[..., Record], Record), *parts)
    for number, run in groupby(zip(map(Message.partition, messages), records, strict=True), itemgetter(0)):
        yield number or 0, [record for _, record in run]


def _settings(kafka: str, group: str) -> dict[str, str | int | bool]:
    return {
        "bootstrap.servers": kafka,
        "group.id": group,
        "enable.auto.commit": False,
        "enable.auto.offset.store": False,
        "auto.offset.reset": "error",
        "isolation.level": "read_committed",
        "enable.partition.eof": True,
        "partition.assignment.strategy": "range",
        "session.timeout.ms": 6000,
        "heartbeat.interval.ms": 500,
        "max.poll.interval.ms": 120_000,
        "fetch.wait.max.ms": 50,
        "queued.min.messages": 100_000,
        "queued.max.messages.kbytes": 64 << 10,
    }
