"""Compares the tables with the ledger, key by key, as a consumer sees them that reads the topics from their start."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import msgspec
from confluent_kafka import Consumer, KafkaException, Message, TopicPartition

from schemas import RESERVED_PREFIX, WATERMARK_KEY, Control, Domain
from tests.consistency.committed import committed
from tests.consistency.feed import Feed
from tests.integration.order_source import Ledger

_RESERVED = RESERVED_PREFIX.encode()


class Changelog:
    """An aggregate topic, read from its start on: the rows as they are, and what was wrong on the way."""

    def __init__(self, kafka: str, topic: str) -> None:
        self.rows: dict[str, Any] = {}
        self.marks: dict[int, int] = {}
        self.wrong: list[str] = []
        self.records = 0
        for message in committed(kafka, topic):
            self._take(topic, message)

    def _take(self, topic: str, message: Message) -> None:
        key, value = message.key() or b"", message.value()
        if key == WATERMARK_KEY:
            self.marks[message.partition() or 0] = msgspec.json.decode(value or b"", type=Control).position
        if key.startswith(_RESERVED):
            return
        self.records += 1
        row, name = msgspec.json.decode(value or b"null"), key.decode()
        before = self.rows.get(name)
        if row is None or (before is not None and row["position"] <= before["position"]):
            was, now = before and before["position"], row and row["position"]
            self.wrong.append(f"{topic}: {name} was at position {was} and was written again at {now}")
        self.rows[name] = row


def folded(kafka: str, domain: Domain) -> int:
    """The position up to which the workers have committed every partition; -1 while the broker does not say."""
    consumer = Consumer({"bootstrap.servers": kafka, "group.id": domain.worker_app, "log_level": 0})
    try:
        places = [TopicPartition(domain.events_topic, number) for number in range(domain.partitions)]
        return min(int(place.metadata or 0) for place in consumer.committed(places, 10))
    except KafkaException:
        return -1
    finally:
        consumer.close()


def verdict(kafka: str, domain: Domain, feed: Feed) -> tuple[list[str], int]:
    """What is wrong, each with a sentence, and how many keys were compared."""
    ledger = feed.ledger
    orders = Changelog(kafka, domain.aggregate_topic(domain.aggregate("orders")))
    customers = Changelog(kafka, domain.aggregate_topic(domain.aggregate("customers")))
    status = {key: row["data"]["status"] for key, row in orders.rows.items() if row}
    found = {key: _figures(row["data"]) for key, row in customers.rows.items() if row}
    wrong = [*orders.wrong, *customers.wrong]
    for marks in (orders.marks, customers.marks):
        wrong += _differences("mark of partition", dict.fromkeys(range(domain.partitions), feed.events), marks)
    wrong += _differences("order", ledger.status, status)
    wrong += _differences("customer", _expected(ledger), found)
    held = {(message.key() or b"").decode() for message in committed(kafka, domain.held_topic)}
    wrong += _differences("held key", dict.fromkeys(ledger.held, True), dict.fromkeys(held, True))
    letters = sum(1 for _ in committed(kafka, domain.dead_letters_topic))
    if letters != feed.letters:
        wrong.append(f"there are {letters} dead letters, there must be {feed.letters}")
    return wrong, len(ledger.status) + len(ledger.counts) + len(ledger.held)


def _figures(data: Mapping[str, Any]) -> tuple[object, ...]:
    return Decimal(data["spent"]["USD"]), data["items"], data["orders"], data["delivered"], data["cancelled"]


def _expected(ledger: Ledger) -> dict[str, tuple[object, ...]]:
    return {key: (ledger.spent[key], ledger.items[key], *counts) for key, counts in ledger.counts.items()}


def _differences(what: str, expected: Mapping[Any, object], found: Mapping[Any, object]) -> list[str]:
    keys = sorted(key for key in expected.keys() | found.keys() if expected.get(key) != found.get(key))
    return [f"{what} {key}: must be {expected.get(key)}, is {found.get(key)}" for key in keys]
