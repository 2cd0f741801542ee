"""Order events as the relay publishes them, made from a seed, and the ledger of what their tables must hold."""

import hashlib
import random
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import msgspec
from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, Message, Producer, TopicPartition

from schemas import CONTENT_TYPE, RESERVED_PREFIX, WATERMARK_KEY, Control, Domain, Envelope, Event, Money, encode
from schemas.orders import Line, OrderCancelled, OrderDelivered, OrderPaid, OrderPlaced, OrderShipped

START = datetime(2026, 1, 1, tzinfo=UTC)
FATES = ("placed", "paid", "shipped", "delivered", "delivered", "delivered", "cancelled")


@dataclass
class Ledger:
    """What the tables must hold, kept by plain addition, without the folds."""

    status: dict[str, str] = field(default_factory=dict)
    spent: dict[str, Decimal] = field(default_factory=dict)
    items: dict[str, int] = field(default_factory=dict)
    counts: dict[str, list[int]] = field(default_factory=dict)  # orders, delivered, cancelled

    def add(self, event: Event, customer: str) -> None:
        counts = self.counts.setdefault(customer, [0, 0, 0])
        match event:
            case OrderPlaced():
                self._book(customer, event.total.amount, event.items)
                counts[0] += 1
                self.status[event.order_id] = "placed"
            case OrderCancelled():
                self._book(customer, -event.total.amount, -event.items)
                counts[0] -= 1
                counts[2] += 1
                self.status[event.order_id] = "cancelled"
            case OrderDelivered():
                counts[1] += 1
                self.status[event.order_id] = "delivered"
            case OrderPaid():
                self.status[event.order_id] = "paid"
            case OrderShipped():
                self.status[event.order_id] = "shipped"

    def _book(self, customer: str, amount: Decimal, items: int) -> None:
        self.spent[customer] = self.spent.get(customer, Decimal(0)) + amount
        self.items[customer] = self.items.get(customer, 0) + items


@dataclass
class Source:
    """Makes events of interleaved orders; positions and versions go on from call to call."""

    customers: int = 200
    seed: int = 7
    position: int = 0
    ledger: Ledger = field(default_factory=Ledger)

    def __post_init__(self) -> None:
        self._random = random.Random(self.seed)
        self._open: list[tuple[str, str, int, list[Event]]] = []
        self._orders = 0

    def events(self, count: int) -> Iterator[tuple[str, bytes]]:
        """The next `count` events as partition key and envelope."""
        for _ in range(count):
            if len(self._open) < 50:
                self._open.append(self.order())
            index = self._random.randrange(len(self._open))
            order, customer, version, rest = self._open[index]
            event = rest[0]
            self._open[index] = (order, customer, version + 1, rest[1:])
            if not rest[1:]:
                self._open[index] = self._open[-1]
                self._open.pop()
            self.ledger.add(event, customer)
            yield customer, self.wrap(event, order, customer, version)

    def wrap(self, event: Event, order: str, customer: str, version: int) -> bytes:
        self.position += 1
        at = START + timedelta(milliseconds=self.position)
        return encode(
            Envelope[Any](
                id=f"{order}.{version}",
                source="/orders",
                type=type(event).__name__,
                subject=order,
                time=at,
                sequence=version,
                position=self.position,
                partitionkey=customer,
                hash=hashlib.sha256(order.encode()).hexdigest(),
                correlationid=f"correlation-{self.position}",
                watermark=at,
                data=event,
            )
        )

    def order(self) -> tuple[str, str, int, list[Event]]:
        """A new order: its id, its customer, its next version and the events to come."""
        self._orders += 1
        order, customer = f"order-{self._orders}", f"customer-{self._random.randrange(self.customers)}"
        at = START + timedelta(minutes=self._orders)
        items = self._random.randrange(1, 9)
        total = Money(Decimal(self._random.randrange(100, 99_999)) / 100, "USD")
        lines = (Line(sku="CD", quantity=items, price=total),)
        fate = self._random.choice(FATES)
        life: list[Event] = [
            OrderPlaced(order_id=order, customer_id=customer, lines=lines, items=items, total=total, at=at),
            OrderPaid(order_id=order, amount=total, at=at),
            OrderShipped(order_id=order, carrier="van", at=at),
            OrderDelivered(order_id=order, at=at),
        ]
        if fate == "cancelled":
            life[1:] = [OrderCancelled(order_id=order, reason="changed my mind", items=items, total=total, at=at)]
        else:
            life = life[: ("placed", "paid", "shipped", "delivered").index(fate) + 1]
        return order, customer, 1, life


class Publisher:
    """Publishes as the relay does: one transaction a batch, then a watermark on every partition."""

    def __init__(self, kafka: str, domain: Domain) -> None:
        self.domain = domain
        self._producer = Producer(
            {
                "bootstrap.servers": kafka,
                "transactional.id": domain.relay_transactional_ids[0],
                "partitioner": "murmur2_random",
                "compression.type": "lz4",
                "linger.ms": 5,
                "batch.size": 500_000,
            }
        )
        self._producer.init_transactions(30)

    def publish(self, records: Iterable[tuple[str | None, bytes | None]], *, abort: bool = False) -> None:
        self._producer.begin_transaction()
        for key, value in records:
            self._produce(key, value)
        if abort:
            self._producer.flush(30)
            self._producer.abort_transaction(30)
        else:
            self._producer.commit_transaction(30)

    def _produce(self, key: str | None, value: bytes | None) -> None:
        while True:
            try:
                self._producer.produce(
                    self.domain.events_topic, value, None if key is None else key.encode(), headers=[CONTENT_TYPE]
                )
                return
            except BufferError:
                self._producer.poll(0.1)

    def publish_all(
        self, source: Source, count: int, *, batch: int = 1_000, abort_every: int = 0, rate: float = 0
    ) -> None:
        """`count` events in batches; each `abort_every`-th transaction (and a last one) is aborted junk."""
        started = time.monotonic()
        for number, done in enumerate(range(0, count, batch), 1):
            if abort_every and number % abort_every == 0:
                self.publish(_junk(batch // 3), abort=True)
            self.publish(source.events(min(batch, count - done)))
            if rate:
                time.sleep(max(0.0, started + (done + batch) / rate - time.monotonic()))
        if abort_every:
            self.publish(_junk(batch // 3), abort=True)

    def watermark(self, position: int) -> None:
        """Everything up to `position` has been published: say so on every partition."""
        self._producer.begin_transaction()
        control = encode(Control(position=position, time=START))
        for partition in range(self.domain.partitions):
            self._producer.produce(self.domain.events_topic, control, WATERMARK_KEY, partition)
        self._producer.commit_transaction(30)


def _junk(count: int) -> Iterator[tuple[str, bytes]]:
    for number in range(count):
        yield f"customer-{number}", b'{"never": "to be seen"}'


def read(kafka: str, *topics: str) -> list[Message]:
    """All committed records of the topics, as they are now."""
    consumer = Consumer(
        {
            "bootstrap.servers": kafka,
            "group.id": "reader-of-tests",
            "enable.auto.commit": False,
            "enable.partition.eof": True,
            "isolation.level": "read_committed",
        }
    )
    places = {
        (topic, partition) for topic in topics for partition in consumer.list_topics(topic, 10).topics[topic].partitions
    }
    consumer.assign([TopicPartition(topic, partition, OFFSET_BEGINNING) for topic, partition in places])
    found: list[Message] = []
    deadline = time.monotonic() + 180
    while places:
        assert time.monotonic() < deadline, f"no end of {places}"
        for message in consumer.consume(10_000, 0.2):
            error = message.error()
            if error is None:
                found.append(message)
            elif error.code() == KafkaError._PARTITION_EOF:
                places.discard((str(message.topic()), int(message.partition() or 0)))
            else:
                raise AssertionError(error)
    consumer.close()
    return found


def table(kafka: str, topic: str) -> dict[str, Any]:
    """Rows of an aggregate topic as decoded JSON, by key. Fails when a key's position goes back."""
    rows: dict[str, Any] = {}
    for message in read(kafka, topic):
        key, value = (message.key() or b"").decode(), message.value()
        if key.startswith(RESERVED_PREFIX):
            continue
        if value is None:
            rows.pop(key, None)
            continue
        row = msgspec.json.decode(value)
        assert row["position"] >= rows.get(key, row)["position"], f"{key} of {topic} goes back"
        rows[key] = row
    return rows


def assert_tables_equal_ledger(kafka: str, domain: Domain, ledger: Ledger) -> None:
    orders = table(kafka, domain.aggregate_topic(domain.aggregate("orders")))
    assert {key: row["data"]["status"] for key, row in orders.items()} == ledger.status
    customers = {
        key: row["data"] for key, row in table(kafka, domain.aggregate_topic(domain.aggregate("customers"))).items()
    }
    assert {key: Decimal(data["spent"]["USD"]) for key, data in customers.items()} == ledger.spent
    assert {key: data["items"] for key, data in customers.items()} == ledger.items
    counts = {key: [data["orders"], data["delivered"], data["cancelled"]] for key, data in customers.items()}
    assert counts == ledger.counts


def marks(kafka: str, topic: str) -> dict[int, int]:
    """Highest watermark position on each partition of an aggregate topic."""
    found: dict[int, int] = {}
    for message in read(kafka, topic):
        if message.key() == WATERMARK_KEY:
            control = msgspec.json.decode(message.value() or b"", type=Control)
            partition = int(message.partition() or 0)
            found[partition] = max(found.get(partition, 0), control.position)
    return found
