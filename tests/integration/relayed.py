"""What stands on an events topic, as a consumer that reads committed records sees it, and how it gets there."""

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from threading import Event, Thread
from typing import Any

import msgspec
from confluent_kafka import Consumer, KafkaError, TopicPartition

from producers import CommandHandler, PostgresEventStore, Request
from producers.domains.orders import DECIDER
from producers.relay import run_relay
from schemas import CONTENT_TYPE, WATERMARK_KEY, Control, Domain, Envelope, HeadraceError, envelope_decoder
from tests.order_commands import pay, place
from tests.pipeline import BROKER_SECONDS, until


@dataclass
class Topic:
    """The events in the order of each partition, and the last control record of each."""

    events: list[tuple[int, bytes, Envelope[Any]]] = field(default_factory=list)
    controls: dict[int, list[Control]] = field(default_factory=dict)

    @property
    def positions(self) -> list[int]:
        """Positions in order of partition, then offset."""
        return [envelope.position for _, _, envelope in self.events]

    def reached(self, partition: int) -> int:
        """The position up to which a partition is known to be complete."""
        events = [e.position for p, _, e in self.events if p == partition]
        return max([0, *events, *(control.position for control in self.controls.get(partition, []))])


def read(kafka: str, domain: Domain, name: str = "") -> Topic:
    """The events topic, or that of the given name, from its beginning to its present end."""
    consumer = Consumer(
        {
            "bootstrap.servers": kafka,
            "group.id": f"test-{domain.namespace}",
            "enable.auto.commit": False,
            "isolation.level": "read_committed",
            "enable.partition.eof": True,
        }
    )
    topic, open_ = Topic(), set(range(domain.partitions))
    consumer.assign([TopicPartition(name or domain.events_topic, partition, 0) for partition in open_])
    try:
        while open_:
            message = consumer.poll(BROKER_SECONDS)
            assert message is not None, "the broker does not answer"
            error, partition = message.error(), message.partition()
            assert partition is not None
            if error is not None:
                assert error.code() == KafkaError._PARTITION_EOF, error
                open_.discard(partition)
                continue
            assert message.headers() == [CONTENT_TYPE]
            key, value = message.key(), message.value()
            assert isinstance(key, bytes)
            assert isinstance(value, bytes)
            if key == WATERMARK_KEY:
                control = msgspec.json.decode(value, type=Control)
                assert control.position >= topic.reached(partition)
                topic.controls.setdefault(partition, []).append(control)
            else:
                envelope = envelope_decoder(domain).decode(value)
                assert envelope.position > topic.reached(partition), "out of order, or said to be complete too early"
                topic.events.append((partition, key, envelope))
    finally:
        consumer.close()
    return topic


@contextmanager
def relaying(domain: Domain, postgres: str, kafka: str) -> Iterator[None]:
    """A relay in a thread; what ended it before its time is raised."""
    stop, failures = Event(), list[BaseException]()

    def work() -> None:
        try:
            run_relay([domain], postgres, kafka, stop)
        except BaseException as error:
            failures.append(error)

    thread = Thread(target=work)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(60)
        assert not thread.is_alive()
    if failures:
        raise failures[0]


def complete(kafka: str, domain: Domain, position: int, name: str = "") -> Topic:
    """The events topic, or that of the given name, once every partition is known to be complete up to `position`:
    each event is there once."""

    def reached() -> Topic | None:
        topic = read(kafka, domain, name)
        return topic if all(topic.reached(p) >= position for p in range(domain.partitions)) else None

    topic = until(reached, 60, what=f"every partition reached {position}")
    assert topic is not None
    assert sorted(topic.positions) == list(range(1, position + 1))
    return topic


def paid_orders(first: int, last: int) -> list[Request]:
    """Commands that place and pay orders of forty customers: two events an order."""
    orders = [(f"o{n}", f"c{n % 40}") for n in range(first, last)]
    return [
        request
        for order, customer in orders
        for request in (Request(place(order, customer), f"place-{order}"), Request(pay(order), f"pay-{order}"))
    ]


def append(store: PostgresEventStore, domain: Domain, requests: Sequence[Request]) -> None:
    """Handle commands, which must all be accepted, in batches of fifty."""

    async def main() -> None:
        handler = CommandHandler(domain, DECIDER, store)
        for start in range(0, len(requests), 50):
            results = await handler.submit(requests[start : start + 50])
            assert not [result for result in results if isinstance(result, HeadraceError)]
        await handler.close()

    asyncio.run(main())
