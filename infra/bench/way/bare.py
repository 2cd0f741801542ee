"""The bare way: the same hops over the same servers, by their client libraries alone, in one loop."""

import io
import time
from contextlib import ExitStack, closing

import psycopg2
from clickhouse_driver import Client
from confluent_kafka import Consumer

from infra.bench.errors import BenchError
from infra.bench.frame import Sample
from infra.bench.kafka import BareProducer, new_topic, reader
from infra.bench.place import Place
from infra.bench.sql import query

_PATIENCE = 10.0
_BODY = b"x" * 600


class BareWay:
    """Takes all that is due by now, stores it, publishes it, reads it, publishes it again, reads it, loads it, and
    looks it up; then the next. Each hop is one round trip with its server.
    """

    def __init__(self, place: Place, rate: float) -> None:
        self._rate, self._number = rate, 0
        self._open = ExitStack()
        name = f"{place.settings.namespace}_floor"
        topics = [new_topic(place.kafka, f"{place.settings.namespace}.{hop}", 1) for hop in ("stored", "folded")]
        self._hops: list[tuple[BareProducer, Consumer]] = [
            (
                self._open.enter_context(closing(BareProducer(place.kafka, topic))),
                self._open.enter_context(closing(reader(place.kafka, topic, 1))),
            )
            for topic in topics
        ]
        self._postgres = self._open.enter_context(closing(psycopg2.connect(place.postgres)))
        self._clickhouse = Client.from_url(place.clickhouse)
        self._open.callback(self._clickhouse.disconnect)
        with self._postgres, self._postgres.cursor() as cursor:
            cursor.execute(query("plain_table"))
        self._table = f"{name}.rows"
        self._clickhouse.execute(f"CREATE DATABASE {name}")
        self._clickhouse.execute(f"CREATE TABLE {self._table} (id UInt64, data String) ENGINE = MergeTree ORDER BY id")

    def close(self) -> None:
        """Close all connections."""
        self._open.close()

    def run(self, seconds: float) -> Sample:
        latencies: list[float] = []
        began, count = time.perf_counter(), max(1, round(seconds * self._rate))
        while len(latencies) < count:
            due = began + len(latencies) / self._rate
            time.sleep(max(0.0, due - time.perf_counter()))
            ready = min(count, int((time.perf_counter() - began) * self._rate) + 1)
            self._take(ready - len(latencies))
            done = time.perf_counter()
            latencies += [(done - began - number / self._rate) * 1000 for number in range(len(latencies), ready)]
        return Sample(count, time.perf_counter() - began, latencies)

    def _take(self, count: int) -> None:
        rows = [(self._number + number, _BODY) for number in range(1, count + 1)]
        self._number += count
        with self._postgres, self._postgres.cursor() as cursor:
            lines = "".join(f"{number}\t1\tkey\tcommand\ttype\thash\t{_BODY.decode()}\n" for number, _ in rows)
            cursor.copy_expert(query("plain_copy"), io.StringIO(lines))
        for producer, consumer in self._hops:
            producer.publish([(b"%d" % number, body) for number, body in rows])
            self._receive(consumer, count)
        self._clickhouse.execute(
            f"INSERT INTO {self._table} VALUES", [[n for n, _ in rows], [b for _, b in rows]], columnar=True
        )
        [(highest,)] = self._clickhouse.execute(f"SELECT max(id) FROM {self._table} WHERE id >= {self._number}")
        if highest != self._number:
            raise BenchError("ClickHouse does not find the rows that it has taken")

    @staticmethod
    def _receive(consumer: Consumer, count: int) -> None:
        deadline = time.monotonic() + _PATIENCE
        while count:
            if time.monotonic() > deadline:
                raise BenchError("the bare records do not come back")
            count -= sum(message.error() is None for message in consumer.consume(count, 0.05))
