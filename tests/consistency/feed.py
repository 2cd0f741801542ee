"""The load of the run, and the ledger of what the tables must hold."""

import random
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from confluent_kafka import KafkaException, Producer
from msgspec.structs import replace

from schemas import CONTENT_TYPE, WATERMARK_KEY, Control, Domain, Event, encode
from schemas.orders import OrderPlaced
from tests.consistency.committed import committed
from tests.integration.order_source import START, Ledger, Source

_STEP_SECONDS = 5.0
_OUTAGE_SECONDS = 120.0
_BATCH = 100
_LONG_ID = "x" * 950_000
Records = Sequence[tuple[str, bytes | None]]


@dataclass
class HoldingLedger(Ledger):
    """A ledger in which nothing more happens to a customer that is held."""

    held: set[str] = field(default_factory=set)

    def add(self, event: Event, customer: str) -> None:
        if customer not in self.held:
            super().add(event, customer)


class Feed:
    """Publishes events at a rate, in a thread, through every outage of the broker, and bad records in between.

    `letters` counts the dead letters that there must be: one for each bad record of a key that was not held yet.
    `failure` is what ended it.
    """

    def __init__(self, kafka: str, domain: Domain, seed: int, rate: float) -> None:
        self.ledger, self.letters, self.failure = HoldingLedger(), 0, ""
        self._source = Source(customers=2_000, seed=seed, ledger=self.ledger)
        self._kafka, self._domain, self._rate = kafka, domain, rate
        self._random = random.Random(seed)
        self._bad: list[str] = []
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="feed")
        self._batches = 0
        self._producer = self._new_producer()

    @property
    def events(self) -> int:
        """Events so far, which is the last position."""
        return self._source.position

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Publish what was begun, then say on every partition that this was all."""
        self._stop.set()
        self._thread.join()
        if not self.failure:
            control = encode(Control(position=self.events, time=START))
            self._transaction([(WATERMARK_KEY.decode(), control)], every_partition=True)

    def throw(self, kind: str) -> None:
        """A bad record of that kind goes out with the next batch."""
        self._bad.append(kind)

    def _run(self) -> None:
        began, first = time.monotonic(), self.events
        try:
            while not self._stop.is_set():
                bad, self._bad = self._bad, []
                batch: list[tuple[str, bytes | None]] = list(self._source.events(_BATCH))
                for kind in bad:
                    batch += self._made(kind)
                self._transaction([*batch, *self._source.events(_BATCH)])
                time.sleep(max(0.0, began + (self.events - first) / self._rate - time.monotonic()))
        except Exception as error:
            self.failure = f"the feed ended: {error!r}"

    def _made(self, kind: str) -> Iterator[tuple[str, bytes | None]]:
        """A bad record, for a customer of the ledger that is held from then on."""
        free = sorted(self.ledger.counts.keys() - self.ledger.held)
        customer = self._random.choice(free)
        self.ledger.held.add(customer)
        self.letters += 1
        yield customer, BAD[kind](self._source, customer)

    def _transaction(self, records: Records, *, every_partition: bool = False) -> None:
        self._batches += 1
        while not self._try(records, every_partition) and not self._is_there():
            pass

    def _is_there(self) -> bool:
        """Whether the last batch was committed after all, as a new producer, which settles what was open, finds out."""
        self._producer = self._new_producer()
        numbers: list[int] = []

        def read() -> None:
            numbers[:] = [
                int(message.value() or 0) for message in committed(self._kafka, self._domain.checkpoints_topic)
            ]

        self._until_done(read)
        return self._batches in numbers

    def _try(self, records: Records, every_partition: bool) -> bool:
        """Publish the records and the batch's number in one transaction; False when it failed or may have failed."""
        try:
            self._producer.begin_transaction()
            self._producer.produce(self._domain.checkpoints_topic, str(self._batches), b"batch", 0)
            for key, value in records:
                for partition in range(self._domain.partitions) if every_partition else (-1,):
                    self._produce(key, value, partition)
            self._until_done(lambda: self._producer.commit_transaction(_STEP_SECONDS))
        except KafkaException:
            return False
        return True

    def _produce(self, key: str, value: bytes | None, partition: int) -> None:
        while True:
            try:
                self._producer.produce(
                    self._domain.events_topic, value, key.encode(), partition, headers=[CONTENT_TYPE]
                )
                return
            except BufferError:
                self._producer.poll(0.1)

    def _until_done(self, step: Callable[[], None]) -> None:
        deadline = time.monotonic() + _OUTAGE_SECONDS
        while True:
            try:
                return step()
            except KafkaException as raised:
                error = raised.args[0]
                if not error.retriable() or error.txn_requires_abort() or time.monotonic() > deadline:
                    raise
                time.sleep(0.1)

    def _new_producer(self) -> Producer:
        made = Producer(
            {
                "bootstrap.servers": self._kafka,
                "transactional.id": self._domain.relay_transactional_ids[0],
                "partitioner": "murmur2_random",
                "linger.ms": 5,
                "message.max.bytes": 2_000_000,
                "reconnect.backoff.max.ms": 1_000,
                "metadata.recovery.strategy": "none",
                "log_level": 0,
            }
        )
        self._until_done(lambda: made.init_transactions(_STEP_SECONDS))
        return made


def _oversize(source: Source, customer: str) -> bytes:
    """An event whose row is larger than a record may be, though the event is not."""
    return source.wrap(replace(_placed(source), order_id=_LONG_ID), f"large-{source.position}", customer, 1)


def _unknown(source: Source, customer: str) -> bytes:
    """An envelope like any other, of an event type that nobody knows."""
    made = source.wrap(_placed(source), f"unknown-{source.position}", customer, 1)
    return made.replace(b'"OrderPlaced"', b'"OrderTeleported"')


def _placed(source: Source) -> OrderPlaced:
    [event] = [event for event in source.order()[3] if isinstance(event, OrderPlaced)]
    return event


BAD: dict[str, Callable[[Source, str], bytes | None]] = {
    "poison": lambda _source, _customer: b"\xff no event",
    "tombstone": lambda _source, _customer: None,
    "unknown type": _unknown,
    "oversize": _oversize,
}
