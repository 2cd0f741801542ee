"""One event is followed by its id through every hop, and a command is read back in SQL by its token."""

import asyncio
import hashlib

import clickhouse_driver
import httpx
import psycopg2
from confluent_kafka import Consumer, TopicPartition

from schemas import Domain, envelope_decoder, row_decoder
from schemas.orders import Order, OrderPlaced
from tests.pipeline import Pipeline, until

PLACE = {
    "order_id": "o-1",
    "customer_id": "alice",
    "lines": [{"sku": None, "quantity": 2, "price": {"amount": "24.10", "currency": "USD"}}],
    "total": {"amount": "24.10", "currency": "USD"},
}


def _records(kafka: str, topic: str, partitions: int) -> list[tuple[bytes | None, bytes | None]]:
    consumer = Consumer(
        {
            "bootstrap.servers": kafka,
            "group.id": "reader",
            "isolation.level": "read_committed",
            "enable.auto.commit": False,
        }
    )
    try:
        consumer.assign([TopicPartition(topic, n, 0) for n in range(partitions)])
        found = consumer.consume(1000, 3.0)
        assert all(message.error() is None for message in found)
        return [(message.key(), message.value()) for message in found]
    finally:
        consumer.close()


def test_one_event_is_followed_through_every_hop(pipeline: Pipeline, domain: Domain, clickhouse: str) -> None:
    pipeline.start("relay", "worker", "sink", "api")
    answer = httpx.post(f"{pipeline.url}/api/orders/", json=PLACE, headers={"Idempotency-Key": "first"})
    assert answer.status_code == 201, answer.text
    receipt = answer.json()
    assert (receipt["stream"], receipt["version"], receipt["token"]) == ("o-1", 1, "orders:1")
    [event_id] = receipt["event_ids"]

    connection = psycopg2.connect(pipeline.addresses.postgres)
    with connection.cursor() as cursor:
        cursor.execute("SELECT data, position, hash FROM events WHERE domain = %s", (domain.key,))
        [(stored, position, stored_hash)] = cursor.fetchall()
    connection.close()
    assert position == 1

    read = httpx.get(
        f"{pipeline.url}/api/orders/o-1", params={"consistency": "token", "token": receipt["token"], "timeout": 20}
    )
    assert read.status_code == 200, read.text
    assert read.json()["data"]["total"] == "24.10"
    assert read.json()["data"]["status"] == "placed"
    assert read.json()["freshness"]["position"] >= 1

    events = _records(pipeline.addresses.kafka, domain.events_topic, domain.partitions)
    envelopes = [envelope_decoder(domain).decode(value or b"") for key, value in events if key == b"alice"]
    [envelope] = envelopes
    assert (envelope.id, envelope.subject, envelope.sequence, envelope.position) == (event_id, "o-1", 1, 1)
    assert envelope.hash == bytes(stored_hash).hex()
    assert isinstance(envelope.data, OrderPlaced)

    rows = _records(pipeline.addresses.kafka, domain.aggregate_topic(domain.aggregate("orders")), domain.partitions)
    [row] = [row_decoder(domain.aggregate("orders")).decode(value or b"") for key, value in rows if key == b"o-1"]
    assert row.position == 1
    assert isinstance(row.data, Order)

    client = clickhouse_driver.Client.from_url(clickhouse)
    [(loaded_id, data)] = client.execute(f"SELECT id, data FROM {domain.database}.events")
    client.disconnect()
    assert loaded_id == event_id
    assert data.encode() == bytes(stored), "the very bytes that were validated are the ones that SQL sees"
    assert hashlib.sha256(data.encode()).digest() == hashlib.sha256(bytes(stored)).digest()


def test_a_second_answer_for_the_same_id_is_the_first_one(pipeline: Pipeline) -> None:
    pipeline.start("api")
    first, again = (
        httpx.post(f"{pipeline.url}/api/orders/", json=PLACE, headers={"Idempotency-Key": "k"}) for _ in range(2)
    )
    assert {**again.json(), "repeated": None} == {**first.json(), "repeated": None}
    assert again.headers["Idempotency-Replayed"] == "true"
    other = httpx.post(
        f"{pipeline.url}/api/orders/", json={**PLACE, "order_id": "o-2"}, headers={"Idempotency-Key": "k"}
    )
    assert other.status_code == 422, other.text


def test_two_api_processes_race_on_one_order_and_one_wins(pipeline: Pipeline) -> None:
    pipeline.start("api")
    second = pipeline.second_port
    pipeline.start("api.2", port=second)
    pay = {"amount": PLACE["total"]}

    async def race(order: str) -> list[int]:
        async with httpx.AsyncClient() as client:
            placed = await client.post(f"{pipeline.url}/api/orders/", json={**PLACE, "order_id": order})
            assert placed.status_code == 201
            urls = [f"http://127.0.0.1:{port}/api/orders/{order}/pay" for port in (pipeline.port, second)]
            answers = await asyncio.gather(*(client.post(url, json=pay) for url in urls))
            assert all(a.headers["content-type"].startswith("application/") for a in answers)
            return sorted(answer.status_code for answer in answers)

    async def races() -> list[list[int]]:
        return [await race(f"o-{number}") for number in range(25)]

    assert asyncio.run(races()) == [[200, 409]] * 25


def test_the_health_route_answers(pipeline: Pipeline) -> None:
    pipeline.start("api")
    assert until(lambda: httpx.get(f"{pipeline.url}/health").json(), 10) == {"status": "serving"}


def test_two_api_processes_sell_no_more_than_the_stock_holds(pipeline: Pipeline) -> None:
    pipeline.start("api")
    second = pipeline.second_port
    pipeline.start("api.2", port=second)
    product = {"sku": "last", "name": "The last ones", "stock": 100}
    added = httpx.post(f"{pipeline.url}/api/orders/product:last/add-product", json=product)
    assert added.status_code == 200, added.text

    few = asyncio.Semaphore(16)  # so that no process sells all of it in one batch

    async def buy(client: httpx.AsyncClient, number: int) -> httpx.Response:
        lines = [{"sku": "last", "quantity": 1 + number % 3, "price": PLACE["total"]}]
        url = f"http://127.0.0.1:{(pipeline.port, second)[number % 2]}/api/orders/"
        async with few:
            return await client.post(url, json={**PLACE, "order_id": f"race-{number}", "lines": lines})

    async def rush() -> list[httpx.Response]:
        async with httpx.AsyncClient(timeout=30) as client:
            return await asyncio.gather(*(buy(client, number) for number in range(200)))

    answers = asyncio.run(rush())
    refusals = [answer.json() for answer in answers if answer.status_code != 201]
    assert {(refusal["status"], refusal["rule"]) for refusal in refusals} == {(409, "out-of-stock")}
    sold = sum(1 + number % 3 for number, answer in enumerate(answers) if answer.status_code == 201)
    assert sold == 100
    counts = [sum(a.status_code == 201 for a in answers[port::2]) for port in (0, 1)]
    assert min(counts) > 0, "both processes sold some"
