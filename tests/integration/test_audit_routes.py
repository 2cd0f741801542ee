"""The audit of routes: each topic against the events topic."""

import dataclasses
from typing import Any

from confluent_kafka import Producer

from infra import topics
from infra.audit.findings import Found, Hop
from infra.audit.published import Published
from infra.audit.records import position_of
from infra.audit.routes import audit_route
from producers import PostgresEventStore
from schemas import Domain, Envelope, Event, Route
from schemas.orders import OrderPaid, OrderPlaced
from tests.integration.order_source import read
from tests.integration.relayed import append, complete, paid_orders, relaying


def by_order(envelope: Envelope[Any]) -> str:
    return envelope.subject


def test_events_lost_doubled_and_misplaced_on_a_route_are_named(postgres: str, kafka: str, domain: Domain) -> None:
    def with_route(*events: type[Event]) -> Domain:
        return dataclasses.replace(domain, routes=(Route("payments", by_order, events),))

    paid = with_route(OrderPaid)
    topic = paid.route_topic(paid.routes[0])
    topics.declare(kafka, [paid])
    store = PostgresEventStore(postgres, domain)
    append(store, domain, paid_orders(0, 10))
    store.close()
    with relaying(paid, postgres, kafka):
        complete(kafka, paid, 20)
    events = {position_of(m.key(), m.value()): m.value() for m in read(kafka, paid.events_topic)}

    def audited(declared: Domain) -> tuple[Hop, Found]:
        found, beside = Found(domain.key, topic, 50), Found(domain.key, domain.events_topic, 50)
        with Published(kafka, declared, domain.events_topic, 0, beside) as main:
            main.read(20, {}, 20, lambda _: None)
            hop = audit_route(kafka, declared, main, (0, 20), found, 20, lambda _: None)
        return hop, found

    hop, found = audited(paid)
    assert (found.counts, hop.lag, hop.count, hop.upto) == ({}, "", 10, 20)
    _, found = audited(with_route(OrderPaid, OrderPlaced))
    assert {(f.kind, f.position, f.stream) for f in found.listed} == {
        ("missing", 2 * n + 1, f"o{n}") for n in range(10)
    }
    _, found = audited(with_route(OrderPlaced))
    assert {f.position for f in found.listed if f.kind == "extra"} == set(range(2, 21, 2))
    producer = Producer({"bootstrap.servers": kafka, "partitioner": "murmur2_random"})
    producer.produce(topic, events[4], b"o1")
    producer.produce(topic, events[6], b"another key")
    producer.flush(30)
    _, found = audited(paid)
    assert {(f.kind, f.position) for f in found.listed} >= {("doubled", 4), ("doubled", 6), ("altered", 6)}
