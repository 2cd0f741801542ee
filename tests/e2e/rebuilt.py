"""A running pipeline of which tables are rebuilt, and what it adds up to."""

import json
import os
import subprocess
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import clickhouse_driver

from infra import migrations, topics
from infra.stack import Addresses
from producers.store.builds import Builds
from schemas import Domain, discover
from tests.conftest import fresh_database
from tests.e2e.shop import Totals, add, orders, send, visible
from tests.integration.order_source import table
from tests.pipeline import Pipeline

ORDERS = 60


class Shop:
    """A pipeline with some history, and what it adds up to."""

    def __init__(self, at: Addresses, namespace: str, home: Path) -> None:
        self.at, self.declared = at, discover(namespace)["orders"]
        self.pipeline = Pipeline(at, namespace, home)
        self.totals = Totals()
        self._next = 0

    def sell(self, count: int = 10) -> None:
        """So many further orders."""
        commands, totals = orders(self._next, count)
        send(self.pipeline, commands)
        self._next += count
        self.totals = add(self.totals, totals)

    def command(self, *options: str, crash_point: str = "") -> "subprocess.CompletedProcess[str]":
        """Run `headrace rebuild orders`."""
        extra = {"HEADRACE_CRASH_POINT": crash_point} if crash_point else {}
        return self.pipeline.run("rebuild", "orders", "--json", *options, seconds=240, **extra)

    def rebuild(self, *options: str, expected: int = 0) -> list[dict[str, Any]]:
        """What the command says."""
        done = self.command(*options)
        assert done.returncode == expected, done.stdout + done.stderr
        return [json.loads(line) for line in done.stdout.splitlines()]

    def build(self, number: int) -> Domain:
        return self.declared.in_build(number)

    @property
    def live(self) -> Domain:
        with closing(Builds(self.at.postgres, self.declared)) as builds:
            return self.build(next((each.build for each in builds.all() if each.live), 0))

    def switch(self, former: Domain, build: Domain) -> None:
        """Switch from one build to another, as the command does."""
        with closing(Builds(self.at.postgres, self.declared)) as builds:
            builds.switch(former.edition, build.edition, "test")

    def visible(self) -> None:
        """Wait until all that was accepted is visible in what is queried."""
        visible(self.pipeline)

    def rows(self, build: Domain) -> dict[str, dict[str, Any]]:
        """The rows on the topics of a build."""
        return {each.name: table(self.at.kafka, build.aggregate_topic(each)) for each in build.aggregates}

    def sql(self, statement: str) -> list[Any]:
        client = clickhouse_driver.Client.from_url(self.at.clickhouse)
        try:
            return list(client.execute(statement))
        finally:
            client.disconnect()


@contextmanager
def rebuilt_shop(servers: Addresses, name: str, home: Path) -> Iterator[Shop]:
    """The shop with sixty orders, all of them visible; ended afterwards."""
    namespace = f"{name}{os.getpid()}"
    with fresh_database(servers.postgres) as postgres:
        migrations.migrate(postgres)
        topics.declare(servers.kafka, [discover(namespace)["orders"]])
        made = Shop(replace(servers, postgres=postgres), namespace, home)
        made.pipeline.start("relay", "worker", "sink", "api")
        try:
            made.sell(ORDERS)
            made.visible()
            yield made
        finally:
            for running in list(made.pipeline.running):
                made.pipeline.kill(running)
