"""A pipeline that has run, for audits: orders, and what somebody with all rights can do to them afterwards."""

import asyncio
import json
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from itertools import count
from typing import Any

import clickhouse_driver
import psycopg2
from click.testing import CliRunner
from confluent_kafka import Producer

from infra.audit.findings import Report
from infra.audit.loaded import Warehouse
from infra.audit.run import Audit, Since, Wanted
from infra.audit.stored import Stored
from infra.commands.audit import audit as command
from infra.config import Settings
from producers import CommandHandler, PostgresEventStore, Request
from producers.domains.orders import DECIDER
from schemas import Domain, Fatal, HeadraceError
from schemas.orders import AddProduct, Line, PlaceOrder
from tests.integration.order_source import read
from tests.order_commands import DAY, cancel, money, pay, place
from tests.pipeline import Pipeline, environment, until
from tests.tampering import Tamperer


def requests(first: int, last: int) -> list[Request]:
    """Orders of forty customers, all paid but each seventh, which is cancelled."""
    made = []
    for n in range(first, last):
        made.append(Request(place(f"o{n}", f"c{n % 40}"), f"place-o{n}"))
        made.append(Request(cancel(f"o{n}") if n % 7 == 0 else pay(f"o{n}"), f"then-o{n}"))
    return made


def stocked(sku: str) -> list[Request]:
    """A product of which ten came into the stock, and an order of two."""
    line = Line(sku, 2, money())
    order = PlaceOrder(order_id=f"of-{sku}", customer_id="c99", lines=(line,), total=money(), at=DAY)
    product = AddProduct(sku=sku, name="product", stock=10, at=DAY)
    return [Request(product, f"add-{sku}"), Request(order, f"place-{sku}")]


@dataclass
class Audited:
    """The pipeline, and audits of it in this process."""

    pipeline: Pipeline
    domain: Domain

    def __post_init__(self) -> None:
        self.clickhouse = clickhouse_driver.Client.from_url(self.pipeline.addresses.clickhouse)

    def append(self, made: Sequence[Request]) -> None:
        """Handle commands, which must all be accepted."""

        async def main() -> None:
            store = PostgresEventStore(self.pipeline.addresses.postgres, self.domain)
            handler = CommandHandler(self.domain, DECIDER, store)
            results = await handler.submit(made)
            assert not [result for result in results if isinstance(result, HeadraceError)]
            await handler.close()
            store.close()

        asyncio.run(main())

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Commands are handled all the while, four at a time."""
        stop = threading.Event()

        async def main() -> None:
            store = PostgresEventStore(self.pipeline.addresses.postgres, self.domain)
            handler = CommandHandler(self.domain, DECIDER, store)
            for n in count(1_000, 2):
                await handler.submit(requests(n, n + 2))
                await asyncio.sleep(0.2)
                if stop.is_set():
                    break
            await handler.close()
            store.close()

        thread, before = threading.Thread(target=lambda: asyncio.run(main())), self.head()
        thread.start()
        try:
            until(lambda: self.head() > before, what="something is written")
            yield
        finally:
            stop.set()
            thread.join()

    def head(self) -> int:
        """The position of the domain's last event."""
        stored = Stored(self.pipeline.addresses.postgres, self.domain)
        try:
            return stored.head()
        finally:
            stored.close()

    def audit(
        self, since: int = 0, seconds: float = 30, limit: int = 50, *, deep: bool = False, archive: str = ""
    ) -> Report:
        """What an audit finds."""
        wanted = Wanted(limit, seconds, deep, archive)
        known = {self.domain.name: self.domain}
        made = Audit(self.domain, known, self.pipeline.addresses, Since(since), wanted, lambda *_: None)
        return made.run()[0]

    def drop(self) -> None:
        """End the processes and remove the tables."""
        for name in list(self.pipeline.running):
            self.pipeline.kill(name)
        for database in (self.domain.database, self.domain.projection_database):
            self.clickhouse.execute(f"DROP DATABASE IF EXISTS {database} SYNC")
        self.clickhouse.disconnect()

    def complete(self, position: int) -> bool:
        """Whether all tables are loaded up to a position."""
        domain = self.domain
        topics = [domain.events_topic, *map(domain.aggregate_topic, domain.aggregates)]
        try:
            with Warehouse(self.pipeline.addresses.clickhouse_reader) as warehouse:
                wanted = dict.fromkeys(range(domain.partitions), 0)
                return all(warehouse.reached(domain.database, topic, wanted, 0) >= position for topic in topics)
        except Fatal:  # the sink has not made them yet
            return False

    def command(self, *options: str, expected: int) -> dict[str, Any]:
        """What `headrace audit --json` says of the domain, and that it ends with this code."""
        at = self.pipeline.addresses
        settings = Settings(namespace=self.pipeline.namespace, home=self.pipeline.home, **asdict(at))
        done = CliRunner().invoke(command, [self.domain.name, "--json", *options], obj=settings)
        assert done.exit_code == expected, done.output
        return dict(json.loads(done.stdout))

    @contextmanager
    def watching(self) -> Iterator[Callable[..., list[dict[str, Any]]]]:
        """A process that watches the domain, and what it has said, once there are so many reports. Ctrl-C ends it."""
        out = self.pipeline.home / "watch.json"
        with out.open("wb") as log, (self.pipeline.home / "watch.log").open("wb") as said:
            process = subprocess.Popen(
                [sys.executable, "-m", "infra.cli", "audit", self.domain.name, "--watch", "--every", "0.1", "--json"],
                cwd=self.pipeline.tree,
                env=environment(
                    self.pipeline.addresses, self.pipeline.namespace, self.pipeline.home, self.pipeline.port
                ),
                stdout=log,
                stderr=said,
            )
        self.pipeline.running["watch"] = process

        def lines(least: int = 0) -> list[dict[str, Any]]:
            found = [json.loads(line) for line in out.read_text().splitlines(keepends=True) if line.endswith("\n")]
            return found if len(found) >= least else []

        yield lines
        del self.pipeline.running["watch"]
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 130

    def run(self, statement: str) -> list[tuple[Any, ...]]:
        """Run a statement on ClickHouse in which `{events}` and `{projection}` are the domain's databases."""
        named = statement.format(events=self.domain.database, projection=self.domain.projection_database)
        settings = {"mutations_sync": 2, "lightweight_deletes_sync": 2}
        return list(self.clickhouse.execute(named, settings=settings))

    @contextmanager
    def saved(self, table: str, where: str, *, feeding: bool = False) -> Iterator[None]:
        """Rows of a table, which are put back after they were damaged. Unless `feeding`, rollups take no part in it."""
        copy, view = f"{self.domain.database}.saved_{table.split('.')[1]}", "{events}.revenue_by_month_view"
        if feeding:
            view = ""
        self.run(f"CREATE TABLE {copy} ENGINE = Memory AS SELECT * FROM {table} WHERE {where}")
        definition = self.run(f"SHOW CREATE TABLE {view}")[0][0].replace("{", "{{").replace("}", "}}") if view else ""
        if view:
            self.run(f"DROP VIEW {view}")
        try:
            yield
        finally:
            self.run(f"ALTER TABLE {table} DELETE WHERE {where}")
            self.run(f"INSERT INTO {table} SELECT * FROM {copy}")
            self.run(f"DROP TABLE {copy}")
            if view:
                self.run(definition)

    @contextmanager
    def replaced(self, topic: str, key: bytes, old: bytes, new: bytes) -> Iterator[None]:
        """Another value of a row on an aggregate's topic, loaded into its table; the right one follows at the end."""
        found = [m for m in read(self.pipeline.addresses.kafka, topic) if m.key() == key]
        value, number = found[-1].value() or b"", found[-1].partition() or 0
        producer = Producer({"bootstrap.servers": self.pipeline.addresses.kafka})
        table = f"{{projection}}.{self.domain.aggregates[1].name} FINAL WHERE customer_id = '{key.decode()}'"

        def write(row: bytes) -> None:
            before = self.run(f"SELECT kafka_offset FROM {table}")
            producer.produce(topic, row, key, number)
            producer.flush(30)
            until(lambda: self.run(f"SELECT kafka_offset FROM {table}") != before, what="the row is loaded")

        write(value.replace(old, new))
        self.append(requests(530, 531))  # so that a watermark follows
        yield
        write(value)

    @contextmanager
    def tampering(self) -> Iterator[Tamperer]:
        """Somebody who alters Postgres, each statement at once; the events are put back at the end."""
        connection = psycopg2.connect(self.pipeline.addresses.postgres)
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute("SET session_replication_role = replica")
            cursor.execute("CREATE TABLE saved AS SELECT * FROM events")
            try:
                yield Tamperer(connection, self.domain)
            finally:
                # At once: the relay ends for good when it finds events missing.
                cursor.execute("BEGIN; DELETE FROM events; INSERT INTO events SELECT * FROM saved; COMMIT")
                cursor.execute("DROP TABLE saved")
        connection.close()
