"""A rebuild when the topic, and then the event store too, have lost their first events: they come from the archive."""

import json
from contextlib import closing

import pytest
from confluent_kafka import TopicPartition
from confluent_kafka.admin import AdminClient

from infra.rebuild.handover import Offsets
from schemas import Domain
from tests.e2e.shop import Totals, add, loaded, orders, send, visible
from tests.integration.order_source import table
from tests.pipeline import Pipeline, until
from tests.tampering import tampering

ORDERS = 40


class Shop:
    """A pipeline with forty orders, whose events are archived."""

    def __init__(self, pipeline: Pipeline, domain: Domain) -> None:
        self.pipeline, self.domain = pipeline, domain
        self.archive = str(pipeline.home / "archive")
        pipeline.start("relay", "worker", "sink", "api")
        self.totals = Totals()
        self.sell(0, ORDERS)
        self.archived = int(json.loads(self.run("archive", "orders", "--to", self.archive))["position"])

    def run(self, *command: str, expected: int = 0, archive: str = "") -> str:
        extra = {"HEADRACE_ARCHIVE": archive} if archive else {}
        done = self.pipeline.run(*command, "--json", seconds=120, **extra)
        assert done.returncode == expected, done.stdout + done.stderr
        return done.stdout or done.stderr

    def sell(self, first: int, count: int) -> None:
        commands, totals = orders(first, count)
        send(self.pipeline, commands)
        self.totals = add(self.totals, totals)

    def trim(self, position: int) -> None:
        """Remove all events up to a position from the topic and from the event store, once all are loaded: a sink that
        first begins with a trimmed topic refuses it."""
        asked = ("sql", "SELECT count() FROM events", "--domain", "orders", "--consistency", "strong")
        until(lambda: self.pipeline.run(*asked).returncode == 0, 60, what="all events are loaded")
        at, topic, partitions = self.pipeline.addresses, self.domain.events_topic, range(self.domain.partitions)
        with closing(Offsets(at.kafka, topic)) as offsets:
            places = [TopicPartition(topic, number, offsets.behind(number, position)) for number in partitions]
            admin = AdminClient({"bootstrap.servers": at.kafka})
            for done in admin.delete_records(places).values():
                done.result(30)
            assert all(offsets.first(number) > 0 for number in partitions)
        with tampering(at.postgres, self.domain) as operator:
            operator.run("DELETE FROM events WHERE domain = %(domain)s AND position <= %(upto)s", upto=position)

    def rows(self, build: int) -> dict[str, object]:
        made = self.domain.in_build(build)
        return {a.name: table(self.pipeline.addresses.kafka, made.aggregate_topic(a)) for a in made.aggregates}


@pytest.fixture
def shop(pipeline: Pipeline, domain: Domain) -> Shop:
    return Shop(pipeline, domain)


def test_a_rebuild_after_topic_and_event_store_were_trimmed_equals_live(shop: Shop) -> None:
    shop.sell(ORDERS, 10)  # what is not archived yet
    shop.trim(shop.archived - 7)
    refused = shop.run("rebuild", "orders", expected=1)
    assert "no event of" in refused
    assert "no archive is set" in refused
    live = shop.rows(0)
    in_place = shop.run("rebuild", "orders", "--streams", f"o-{ORDERS}", expected=1, archive=shop.archive)
    assert "the event store has the first events of orders no more" in in_place
    assert shop.rows(0) == live, "no key is held for it"
    folded, verified, switched = map(json.loads, shop.run("rebuild", "orders", archive=shop.archive).splitlines())
    assert (folded["events"], verified["differences"]) == (shop.totals.events, 0)
    assert verified["rows"] >= shop.totals.orders + shop.totals.customers
    assert switched["switched"]["build"] == 1
    shop.sell(ORDERS + 10, 5)
    until(lambda: shop.rows(1) == shop.rows(0), 30, what="both builds are equal, byte for byte")
    visible(shop.pipeline)
    assert loaded(shop.pipeline.addresses.clickhouse, shop.domain.in_build(1)) == shop.totals
