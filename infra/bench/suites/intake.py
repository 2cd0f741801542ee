"""`bench intake`: commands over Kafka and from files, each validated, stored and answered by a process of its own."""

import io
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import psycopg2
from confluent_kafka import Consumer, Producer

from infra.bench.bulk_clients import Bulk
from infra.bench.bursts import Bursts
from infra.bench.catalogue import fill
from infra.bench.errors import BenchError
from infra.bench.frame import Case, Sample, Suite, uncollected
from infra.bench.kafka import BareProducer, new_topic, reader
from infra.bench.orders import Orders, lines
from infra.bench.place import Place
from infra.bench.process import running, serving
from infra.bench.sql import query
from infra.ingest.lines import Lines
from infra.ingest.run import Ingestion
from infra.ingest.source import Source
from infra.ingest.state import fingerprint, journal
from infra.stack.ports import HOST
from schemas import encode

_BATCH = 2000
_PATIENCE = 60.0
_GOOD = b'"status":200'
_REPLY = b'{"id":"","partition":0,"offset":0,"status":200}'
_SETTINGS: dict[str, str | int | float | bool] = {"linger.ms": 2, "compression.type": "lz4", "log_level": 3}
Records = list[tuple[bytes, bytes]]


class Answered(Bursts):
    """Sends commands to a topic at once and waits until all replies can be read.

    `prepare(n)` gives the next n records, `work(n)` does what a process of its own does not.
    """

    def __init__(
        self,
        producer: Producer,
        commands: str,
        replies: Consumer,
        prepare: Callable[[int], Records],
        work: Callable[[int], None] = lambda _: None,
    ) -> None:
        super().__init__()
        self._producer = producer
        self._commands = commands
        self._replies = replies
        self._prepare = prepare
        self._work = work

    def measure(self, count: int) -> Sample:
        records = self._prepare(count)
        with uncollected():
            began = time.perf_counter()
            for key, value in records:
                self._producer.produce(self._commands, value, key)
            self._producer.flush(_PATIENCE)
            self._work(count)
            self._await(count)
            duration = time.perf_counter() - began
        return Sample(count, duration)

    def _await(self, count: int) -> None:
        while count > 0:
            messages = self._replies.consume(min(count, 1000), _PATIENCE)
            for message in messages:
                if message.error() is not None or _GOOD not in (message.value() or b""):
                    raise BenchError(f"a command was not accepted: {message.error() or message.value()!r}")
            if not messages:
                raise BenchError(f"{count} replies have not come within {_PATIENCE:.0f} s")
            count -= len(messages)


class BareIntake:
    """Reads records, stores the bytes by COPY and answers each, in transactions of both; looks at nothing."""

    def __init__(self, place: Place, commands: str, replies: str) -> None:
        self._consumer = reader(place.kafka, commands, place.orders.partitions)
        self._producer = BareProducer(place.kafka, replies)
        self._connection = psycopg2.connect(place.postgres)
        self._connection.autocommit = True
        with self._connection.cursor() as cursor:
            cursor.execute(query("bodies_table"))

    def work(self, count: int) -> None:
        """Store and answer so many records."""
        while count > 0:
            messages = self._consumer.consume(min(count, _BATCH), 1.0)
            bodies = [message.value() or b"" for message in messages]
            with self._connection.cursor() as cursor:
                cursor.copy_expert(query("bodies_copy"), io.BytesIO(b"\n".join(bodies) + b"\n"))
            self._producer.publish([(message.key() or b"", _REPLY) for message in messages], self._consumer)
            count -= len(messages)

    def close(self) -> None:
        """Close everything."""
        self._consumer.close()
        self._producer.close()
        self._connection.close()


@contextmanager
def _kafka(place: Place) -> Iterator[Case]:
    domain = place.orders
    sent, answered = (
        new_topic(place.kafka, f"{place.settings.namespace}.floor.{name}", domain.partitions)
        for name in ("commands", "replies")
    )

    def records() -> Callable[[int], Records]:
        orders = Orders(domain, "order")
        return lambda count: [
            (domain.stream_of(command).encode(), b'{"id":"%b","command":%b}' % (id_.encode(), encode(command)))
            for id_, command in orders.commands(count)
        ]

    fill(place)
    with ExitStack() as open_:
        producer = open_.enter_context(closing(Producer(_SETTINGS | {"bootstrap.servers": place.kafka})))
        open_.enter_context(running(place, "intake"))
        replies = open_.enter_context(closing(reader(place.kafka, domain.replies_topic, domain.partitions)))
        answers = open_.enter_context(closing(reader(place.kafka, answered, domain.partitions)))
        bare = open_.enter_context(closing(BareIntake(place, sent, answered)))
        yield Case(
            ours=Answered(producer, domain.commands_topic, replies, records()),
            floor=Answered(producer, sent, answers, records(), bare.work),
            unit="commands",
        )


class Ingest(Bursts):
    """`headrace ingest` of a file of so many commands, without the start of its process."""

    def __init__(self, place: Place, url: str, folder: Path) -> None:
        super().__init__()
        self._domain = place.orders
        self._url = url
        self._folder = folder
        self._orders = Orders(place.orders, "order")

    def measure(self, count: int) -> Sample:
        file = self._folder / "commands.ndjson"
        file.write_bytes(lines(self._orders.commands(count)))
        with uncollected():
            began = time.perf_counter()
            content = fingerprint(file)
            with journal(self._folder, content) as kept:
                refused = self._folder / "rejects"
                work = Ingestion(
                    Source.of(file), Lines(self._domain, content, None), self._url, kept, refused, lambda _: None
                )
                work.run()
            duration = time.perf_counter() - began
        if work.state.new != count:
            raise BenchError(f"of {count} commands in a file, {work.state.new} were accepted")
        return Sample(count, duration)


@contextmanager
def _file(place: Place) -> Iterator[Case]:
    path = f"/api/{place.orders.name}/bulk"
    orders = Orders(place.orders, "order")

    def bodies(amount: int, requests: int) -> list[bytes]:
        return [lines(orders.commands(amount)) for _ in range(requests)]

    fill(place)
    with (
        serving(place, "api") as port,
        serving(place, "bare-server") as bare,
        TemporaryDirectory(prefix="headrace-bench-") as folder,
    ):
        yield Case(
            ours=Ingest(place, f"http://{HOST}:{port}{path}", Path(folder)),
            floor=Bulk(bare, path, 1, bodies),
            unit="commands",
        )


SUITE = Suite(
    summary="Commands over Kafka and from files, validated, stored and answered.",
    needs=("postgres", "kafka"),
    cases={"kafka": _kafka, "file": _file},
)
