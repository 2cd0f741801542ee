"""The offset just behind a position, found in event topics as the relay leaves them."""

import random
from contextlib import closing

import msgspec
from confluent_kafka import Producer

from infra.rebuild.handover import Offsets
from schemas import REFOLD_KEY, Domain, Refold, encode
from tests.integration.order_source import Publisher, Source, read


def test_a_worker_begins_behind_all_up_to_the_position_and_before_all_after_it(kafka: str, domain: Domain) -> None:
    source, publisher = Source(), Publisher(kafka, domain)
    producer = Producer({"bootstrap.servers": kafka})
    for _ in range(4):
        publisher.publish_all(source, 900, batch=300, abort_every=2)
        publisher.watermark(source.position)
        for partition in range(domain.partitions):
            producer.produce(domain.events_topic, encode(Refold(id="r", key="k")), REFOLD_KEY, partition)
        producer.flush(10)
    placed: dict[int, list[tuple[int, int]]] = {number: [] for number in range(domain.partitions)}
    for message in read(kafka, domain.events_topic):
        found = msgspec.json.decode(message.value() or b"")
        if "position" in found:
            placed[message.partition() or 0].append((message.offset() or 0, found["position"]))
    chance = random.Random(3)
    positions = [0, 1, source.position, *(chance.randrange(2, source.position) for _ in range(5))]
    with closing(Offsets(kafka, domain.events_topic)) as offsets:
        for position in positions:
            for partition, records in placed.items():
                at = offsets.behind(partition, position)
                assert all((offset < at) == (where <= position) for offset, where in records), (partition, position)
