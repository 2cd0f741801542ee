"""A small synthetic shop: a seeded stream of commands, what it must add up to, and what the tables say."""

import asyncio
import random
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import clickhouse_driver
import httpx

from infra.demo.feed import Result, feed, lines
from schemas import Command, Domain, Money, Unavailable
from schemas.orders import CancelOrder, DeliverOrder, Line, PayOrder, PlaceOrder, ShipOrder
from tests.pipeline import Pipeline, until

_BEGIN = datetime(2025, 1, 1, tzinfo=UTC)


@dataclass
class Totals:
    """What the tables must hold, or hold."""

    events: int = 0
    orders: int = 0
    items: int = 0
    revenue: Decimal = Decimal(0)
    cancelled: int = 0
    spent: Decimal = Decimal(0)
    customers: int = 0


def orders(first: int, count: int, seed: int = 7) -> tuple[list[tuple[str, Command]], Totals]:
    """Commands of `count` orders with numbers from `first`, with their ids, and their totals."""
    chance = random.Random(seed * 1_000_003 + first)
    made: list[tuple[str, Command]] = []
    totals = Totals()
    customers = set()
    for number in range(first, first + count):
        order, customer = f"o-{number}", f"c-{chance.randrange(first, first + max(1, count // 3))}"
        items, price = chance.randint(1, 9), Decimal(chance.randint(0, 99_999)) / 100
        total, at = Money(price, "USD"), _BEGIN + timedelta(minutes=number)
        line = (Line(None, items, total),)
        steps: list[Command] = [PlaceOrder(order_id=order, customer_id=customer, lines=line, total=total, at=at)]
        customers.add(customer)
        totals.orders, totals.items, totals.revenue = totals.orders + 1, totals.items + items, totals.revenue + price
        if chance.random() < 0.1:
            steps.append(CancelOrder(order_id=order, reason="changed my mind", at=at))
            totals.cancelled += 1
        else:
            steps += [PayOrder(order_id=order, amount=total, at=at), ShipOrder(order_id=order, at=at)]
            steps.append(DeliverOrder(order_id=order, at=at))
            totals.spent += price
        totals.events += len(steps)
        made += [(f"{order}-{step}", command) for step, command in enumerate(steps)]
    totals.customers = len(customers)
    return made, totals


def add(one: Totals, other: Totals) -> Totals:
    return Totals(**{name: getattr(one, name) + getattr(other, name) for name in vars(one)})


def send(pipeline: Pipeline, commands: Iterable[tuple[str, Command]]) -> list[Result]:
    """Send all commands and retry, with the same ids, as a client does; restarts an API that was killed."""
    chunks = list(lines(commands))
    results: list[Result] = []

    def attempt() -> bool:
        results.clear()
        try:
            asyncio.run(feed(f"{pipeline.url}/api/orders/bulk", chunks, results.extend))
        except Unavailable:
            if pipeline.died("api") is not None:
                pipeline.start("api")
            return False
        return all(result.status == 200 for result in results)

    until(attempt, 60, what="all commands are accepted")
    return results


def visible(pipeline: Pipeline) -> None:
    """Wait until all that was accepted is visible in what is queried."""
    asked = {"consistency": "strong", "timeout": "30", "limit": "1"}
    for aggregate in ("orders", "customers"):
        answer = httpx.get(f"{pipeline.url}/api/orders/aggregates/{aggregate}", params=asked, timeout=60)
        assert answer.status_code == 200, answer.text


def loaded(url: str, domain: Domain) -> Totals:
    """What the tables hold."""
    client = clickhouse_driver.Client.from_url(url)
    events, projection = domain.database, domain.projection_database
    try:
        [(count, distinct, highest)] = client.execute(
            f"SELECT count(), uniqExact(position), max(position) FROM {events}.events"
        )
        assert count == distinct == highest, "an event is missing or doubled"
        [(placed, items, revenue, cancelled)] = client.execute(
            f"SELECT sum(orders), sum(items), sum(revenue), sum(cancelled) FROM {events}.revenue_by_month"
        )
        [(rows, gone)] = client.execute(f"SELECT count(), countIf(status = 'cancelled') FROM {projection}.orders FINAL")
        [(customers, spent)] = client.execute(f"SELECT count(), sum(spent['USD']) FROM {projection}.customers FINAL")
    finally:
        client.disconnect()
    assert (rows, gone) == (placed, cancelled), "the orders' table and the rollup differ"
    return Totals(count, placed, items, revenue, cancelled, spent, customers)


def loaded_up_to(url: str, domain: Domain) -> int:
    """The position up to which every table is complete."""
    client = clickhouse_driver.Client.from_url(url)
    try:
        found = client.execute(
            f"SELECT topic, kafka_partition, max(position) FROM {domain.database}.progress GROUP BY 1, 2"
        )
    except clickhouse_driver.errors.ServerException:
        return 0
    finally:
        client.disconnect()
    topics = [domain.events_topic, *(domain.aggregate_topic(aggregate) for aggregate in domain.aggregates)]
    done = {(topic, partition): position for topic, partition, position in found}
    return int(min(done.get((topic, n), 0) for topic in topics for n in range(domain.partitions)))
