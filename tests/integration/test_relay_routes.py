"""Routes: the same events keyed another way, in the same transactions, on topics of their own."""

import dataclasses
import multiprocessing
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from infra import topics
from producers import PostgresEventStore
from producers.relay import run_relay
from producers.relay.partitioner import partition_of
from schemas import Domain, Envelope, Route, arm, discover
from schemas.orders import OrderPaid, OrderPlaced
from tests.integration.relayed import Topic, append, complete, paid_orders, read, relaying


def by_order(envelope: Envelope[Any]) -> str:
    return envelope.subject


def by_order_but_not_seven(envelope: Envelope[Any]) -> str:
    if envelope.subject == "o7":
        raise LookupError("seven")
    return envelope.subject


ROUTE = Route("by_order", by_order)


def routed(domain: Domain, *routes: Route) -> Domain:
    return dataclasses.replace(domain, routes=routes)


@pytest.fixture
def store(postgres: str, domain: Domain) -> Iterator[PostgresEventStore]:
    made = PostgresEventStore(postgres, domain)
    yield made
    made.close()


def assert_keyed_by_order(topic: Topic, domain: Domain) -> None:
    for partition, key, envelope in topic.events:
        assert key == envelope.subject.encode()
        assert partition == partition_of(key, domain.partitions)


def test_each_event_is_on_its_route_once_in_the_order_of_the_key_with_the_bytes_of_the_events_topic(
    store: PostgresEventStore, postgres: str, kafka: str, domain: Domain
) -> None:
    domain = routed(domain, ROUTE, Route("payments", by_order, (OrderPaid,)))
    topics.declare(kafka, [domain])
    append(store, domain, paid_orders(0, 100))
    with relaying(domain, postgres, kafka):
        main = complete(kafka, domain, 200)
        append(store, domain, paid_orders(100, 150))
        route = complete(kafka, domain, 300, domain.route_topic(ROUTE))
        main = complete(kafka, domain, 300)
    assert_keyed_by_order(route, domain)
    assert sorted(e.hash for _, _, e in route.events) == sorted(e.hash for _, _, e in main.events)
    payments = read(kafka, domain, domain.route_topic(domain.route("payments")))
    assert {type(e.data) for _, _, e in payments.events} == {OrderPaid}
    assert len(payments.events) == 150
    assert all(payments.reached(p) == 300 for p in range(domain.partitions))


def test_a_route_that_is_added_later_gets_the_history_and_one_that_comes_back_what_it_missed(
    store: PostgresEventStore, postgres: str, kafka: str, domain: Domain
) -> None:
    with_route = routed(domain, ROUTE)
    topics.declare(kafka, [with_route])
    for end, relayed in ((50, domain), (100, with_route), (150, domain), (200, with_route)):
        append(store, domain, paid_orders(end - 50, end))
        with relaying(relayed, postgres, kafka):
            complete(kafka, domain, 2 * end)
            if relayed is with_route:
                assert_keyed_by_order(complete(kafka, domain, 2 * end, domain.route_topic(ROUTE)), domain)


def test_a_relay_killed_while_a_route_gets_its_history_leaves_each_event_once(
    store: PostgresEventStore, postgres: str, kafka: str, domain: Domain
) -> None:
    with_route = routed(domain, ROUTE)
    topics.declare(kafka, [with_route])
    append(store, domain, paid_orders(0, 50))
    with relaying(domain, postgres, kafka):
        complete(kafka, domain, 100)
    append(store, domain, paid_orders(50, 60))
    process = multiprocessing.get_context("spawn").Process(
        target=_relay_until_killed, args=(postgres, kafka, domain.namespace)
    )
    process.start()
    process.join(60)
    assert process.exitcode == -9
    with relaying(with_route, postgres, kafka):
        complete(kafka, domain, 120)
        assert_keyed_by_order(complete(kafka, domain, 120, domain.route_topic(ROUTE)), domain)


def _relay_until_killed(postgres: str, kafka: str, namespace: str) -> None:
    arm("relay.caught-up")
    run_relay([routed(discover(namespace)["orders"], ROUTE)], postgres, kafka, threading.Event())


def test_an_event_without_a_key_goes_out_under_its_partition_key_and_the_relay_goes_on(
    store: PostgresEventStore, postgres: str, kafka: str, domain: Domain
) -> None:
    broken = routed(domain, Route("by_order", by_order_but_not_seven))
    topics.declare(kafka, [broken])
    append(store, domain, paid_orders(0, 20))
    with relaying(broken, postgres, kafka):
        topic = complete(kafka, broken, 40, broken.route_topic(ROUTE))
    assert {key for _, key, e in topic.events if e.subject == "o7"} == {b"c7"}


def test_two_routes_of_one_name_are_refused() -> None:
    with pytest.raises(ValueError, match="have one name"):
        routed(discover()["orders"], ROUTE, Route("by_order", by_order, (OrderPlaced,)))
