"""Reads what an assigned partition starts from: its committed offset, its rows and its held keys, in bulk."""

import logging
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import cast

import msgspec
from confluent_kafka import (
    OFFSET_INVALID,
    Consumer,
    KafkaError,
    KafkaException,
    Message,
    TopicCollection,
    TopicPartition,
)
from confluent_kafka.admin import AdminClient

from schemas import WATERMARK_KEY, Control, Fatal, Unavailable, reach
from streams.group import Group, Place
from streams.offsets import bounds
from streams.store import Changelog, Table

_control_decoder = msgspec.json.Decoder(Control)
_SECONDS = 10.0
_SILENCE_SECONDS = 30.0
_SAY_SECONDS = 2.0
_log = logging.getLogger(__name__)


class Loader:
    """A consumer outside of any subscription. Usable as a context manager; all methods block.

    Call it after the partition's former owner has been fenced: only then are offset and changelog settled. `loaded`
    is told of every few records of the changelogs.
    Methods raise Unavailable when Kafka does not answer or the work was given up.
    """

    def __init__(self, kafka: str, group: Group, given_up: Callable[[], bool], loaded: Callable[[int], None]) -> None:
        self._group, self._given_up, self._loaded = group, given_up, loaded
        self._broker: dict[str, str | int | float | bool] = {"bootstrap.servers": kafka}
        self._consumer = self._new_consumer("read_committed")

    def _new_consumer(self, isolation: str) -> Consumer:
        return Consumer(
            {
                **self._broker,
                "group.id": self._group.name,
                "enable.auto.commit": False,
                "enable.auto.offset.store": False,
                "enable.partition.eof": True,
                "isolation.level": isolation,
                "auto.offset.reset": "error",
                "fetch.wait.max.ms": 10,
                "fetch.queue.backoff.ms": 5,
                "queued.max.messages.kbytes": 32_768,
                "fetch.message.max.bytes": 4_000_000,
            },
            logger=logging.getLogger("librdkafka"),
        )

    def __enter__(self) -> "Loader":
        return self

    def __exit__(self, *_: object) -> None:
        self._consumer.close()

    def committed(self, places: Iterable[Place]) -> dict[Place, int]:
        """The group's committed offset of each place; 0 where nothing was committed yet."""
        try:
            found = self._settled([TopicPartition(*place) for place in places])
        except KafkaException as error:
            raise _unavailable(error) from error
        return {(at.topic, at.partition): 0 if at.offset == OFFSET_INVALID else at.offset for at in found}

    def _settled(self, wanted: list[TopicPartition]) -> list[TopicPartition]:
        """Committed offsets; where they are withheld, without what is in transactions that were left open.

        The group's coordinator withholds an offset while a transaction has another one, before Kafka 4.0 a moment
        longer. Here there is none, as the producers have been fenced; but a broker since 4.1 that is itself fenced as a
        transaction ends never tells the coordinator (KAFKA-20734), which then withholds until the next commit.
        """
        try:
            return self._consumer.committed(wanted, _SECONDS)
        except KafkaException as error:
            if error.args[0].code() != KafkaError._TIMED_OUT or self._given_up():
                raise
        consumer = self._new_consumer("read_uncommitted")
        try:
            found = consumer.committed(wanted, _SECONDS)
        finally:
            consumer.close()
        _log.warning(
            "%s: the broker has left a transaction's offset open; reading on from the one before", self._group.key
        )
        return found

    def check(self, place: Place, start: int) -> int:
        """Where to read the partition of a source that is to be read from `start`: there, or if the topic is trimmed,
        at its first record. Raises Fatal when it cannot be read without a gap.
        """
        try:
            first, end = bounds(self._consumer, *place)
        except KafkaException as error:
            raise _unavailable(error) from error
        if place[0] in self._group.trimmed:
            start = max(start, first)
        if not first <= start <= end:
            raise Fatal(
                f"partition {place[1]} of {place[0]} is to be read from offset {start} but has only {first} to "
                f"{end}: events were deleted or the topic was made anew; rebuild the tables of "
                f"{self._group.name} from the event store"
            )
        return start

    def changelogs(self, places: Sequence[Place]) -> list[Changelog]:
        """What the broker has of these changelog partitions."""
        try:
            admin = AdminClient(self._broker)  # its futures end with it
            described = admin.describe_topics(TopicCollection([topic for topic, _ in places]), request_timeout=_SECONDS)
            ids = {topic: str(future.result().topic_id) for topic, future in described.items()}
            found = [bounds(self._consumer, *place) for place in places]
        except KafkaException as error:
            raise _unavailable(error) from error
        return [Changelog(ids[topic], first, end) for (topic, _), (first, end) in zip(places, found, strict=True)]

    def load(self, into: Mapping[Place, Table]) -> dict[Place, Control | None]:
        """Load compacted topic partitions, each from the start that its table names up to its end.

        Answers with the mark up to which each is complete, None where no record says so. Raises Fatal when a mark
        cannot be read.
        """
        marks = {place: table.mark for place, table in into.items()}
        waiting = set(into)
        progress = Progress()
        try:
            self._consumer.list_topics(timeout=_SECONDS)  # or the first fetch waits a second for metadata
            self._consumer.assign([TopicPartition(*place, table.start) for place, table in into.items()])
            while waiting:
                if self._given_up() or progress.silent > _SILENCE_SECONDS:
                    raise Unavailable(
                        "loading the tables was given up: Kafka did not answer, or another rebalance came"
                    )
                messages = self._consumer.consume(10_000, 0.05)
                self._loaded(len(messages))
                progress.add(len(messages))
                for place, end in self._take(messages, into, marks).items():
                    waiting.discard(place)
                    into[place].loaded(marks[place], end)
                reach("fold.loading")
            self._consumer.unassign()
        except KafkaException as error:
            raise _unavailable(error) from error
        return marks

    def _take(
        self, messages: list[Message], into: Mapping[Place, Table], marks: dict[Place, Control | None]
    ) -> dict[Place, int]:
        """Take messages over; answers with the ends that were reached."""
        runs: defaultdict[Place, list[tuple[bytes, bytes | None]]] = defaultdict(list)
        ends: dict[Place, int] = {}
        for message in messages:
            error, place = message.error(), cast(Place, (message.topic(), message.partition()))
            if error is None:
                key = message.key()
                if key == WATERMARK_KEY:
                    marks[place] = _mark(message)
                elif key is not None:
                    runs[place].append((key, message.value()))
            elif error.code() == KafkaError._PARTITION_EOF:
                ends[place] = cast(int, message.offset())
            else:
                raise KafkaException(error)
        for place, rows in runs.items():
            into[place].load(rows)
        return ends


class Progress:
    """How far a load is; says so in the log when it takes long."""

    def __init__(self) -> None:
        self._started = self._moved = self._said = time.monotonic()
        self._records = 0

    @property
    def silent(self) -> float:
        """Seconds since the last record."""
        return time.monotonic() - self._moved

    def add(self, records: int) -> None:
        """So many more were loaded."""
        if not records:
            return
        self._moved = now = time.monotonic()
        self._records += records
        if now - self._said > _SAY_SECONDS:
            self._said = now
            rate = self._records / (now - self._started)
            _log.info("loading the tables: %s records so far, %s/s", f"{self._records:,}", f"{rate:,.0f}")


def _mark(message: Message) -> Control:
    try:
        return _control_decoder.decode(message.value() or b"")
    except msgspec.MsgspecError as error:
        raise Fatal(
            f"the watermark at offset {message.offset()} of partition {message.partition()} of {message.topic()} "
            f"cannot be read ({error}): something else wrote to this topic; empty the topic, and the tables are folded "
            f"again from the start"
        ) from error


def _unavailable(error: KafkaException) -> Unavailable:
    return Unavailable(f"Kafka did not answer while tables were loaded: {error.args[0].str()}", retry_after=1)
