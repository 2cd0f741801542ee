"""Read models as of a moment whose events are not all there any more: exact from the archive, refused without it."""

import uuid
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import clickhouse_driver
import httpx
import pytest
from confluent_kafka import TopicPartition
from confluent_kafka.admin import AdminClient

from infra import migrations, topics
from infra.rebuild.handover import Offsets
from infra.stack import Addresses
from schemas import Domain, discover
from tests.conftest import fresh_database
from tests.integration.past import Ledger, PastShop
from tests.pipeline import Pipeline
from tests.tampering import tampering

ORDERS = 20
LISTS = ("/", "/aggregates/customers", "/queries/totals")


@dataclass
class Lost:
    """A shop whose first events were removed, after all up to `archived` were put into an archive."""

    shop: PastShop
    ledger: Ledger
    archive: str
    archived: int
    removed: int = 0

    @property
    def head(self) -> int:
        return len(self.ledger.events)

    def with_archive(self) -> PastShop:
        """The shop through the API that knows the archive."""
        shop = PastShop(self.shop.pipeline, self.shop.domain)
        shop.http.base_url = httpx.URL(f"http://127.0.0.1:{shop.pipeline.second_port}/api/orders")
        return shop

    def remove(self, upto: int) -> None:
        """Remove the events up to a position from topic and event store."""
        self.remove_from_topic(upto)
        self.remove_from_store(upto)

    def remove_from_store(self, upto: int) -> None:
        """Remove the events up to a position from PostgreSQL."""
        with tampering(self.shop.pipeline.addresses.postgres, self.shop.domain) as operator:
            operator.run("DELETE FROM events WHERE domain = %(domain)s AND position <= %(upto)s", upto=upto)
        self.removed = upto

    def remove_from_topic(self, upto: int) -> None:
        """Remove the events up to a position from their topic."""
        kafka, topic, partitions = self.shop.pipeline.addresses.kafka, self.shop.domain.events_topic, range(4)
        with closing(Offsets(kafka, topic)) as offsets:
            places = [TopicPartition(topic, number, offsets.behind(number, upto)) for number in partitions]
            admin = AdminClient({"bootstrap.servers": kafka})
            for done in admin.delete_records(places).values():
                done.result(30)
            assert all(offsets.first(number) > 0 for number in partitions)


@pytest.fixture(scope="module")
def lost(servers: Addresses, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lost]:
    """A shop whose first events are in its archive alone; an API that knows of it runs on the second port."""
    # Topics outlive the test on given servers, and would not fit another history.
    namespace, home = f"lost{uuid.uuid4().hex[:8]}", Path(tmp_path_factory.mktemp("lost"))
    domain = discover(namespace)["orders"]
    with fresh_database(servers.postgres) as postgres:
        migrations.migrate(postgres)
        topics.declare(servers.kafka, [domain])
        pipeline = Pipeline(Addresses(**{**vars(servers), "postgres": postgres}), namespace, home)
        try:
            with closing(_begun(pipeline, domain)) as shop:
                archive = str(home / "archive")
                done = pipeline.run("archive", "orders", "--to", archive)
                assert done.returncode == 0, done.stderr
                archived = shop.visible()
                shop.sell(5)
                shop.visible()
                made = Lost(shop, Ledger(postgres, domain), archive, archived)
                made.remove(archived - 9)
                pipeline.settings["HEADRACE_ARCHIVE"] = archive
                pipeline.start("api.2", port=pipeline.second_port)
                yield made
        finally:
            for name in list(pipeline.running):
                pipeline.kill(name)


def _begun(pipeline: Pipeline, domain: Domain) -> PastShop:
    pipeline.start("relay", "worker", "sink", "api")
    shop = PastShop(pipeline, domain)
    shop.catalogue(3)
    shop.sell(ORDERS)
    shop.visible()
    return shop


def _refused(answer: httpx.Response, position: int) -> str:
    """The sentence with which a moment is refused."""
    assert answer.status_code == 410, answer.text
    problem = answer.json()
    assert (problem["rule"], problem["title"]) == ("not-kept", "Gone")
    assert problem["detail"].startswith(f"orders cannot be told as of position {position}: ")
    return str(problem["detail"])


def test_a_moment_among_events_that_are_gone_is_refused_by_every_read(lost: Lost) -> None:
    sql = {"sql": "SELECT count() FROM orders", "domain": "orders"}
    for position in (1, lost.removed):
        asked = {"as_of": position}
        answers = [lost.shop.http.get(path, params=asked) for path in (*LISTS, "/o-0", "/o-0/status")]
        answers.append(httpx.post(f"{lost.shop.pipeline.url}/api/sql", params=asked, json=sql, timeout=60))
        for answer in answers:
            said = _refused(answer, position)
            assert f"the event store has no event of orders at position {position}" in said
            assert "no archive is set (HEADRACE_ARCHIVE)" in said, "it says what would have helped"
    done = lost.shop.pipeline.run("sql", sql["sql"], "--domain", "orders", "--as-of", "1")
    assert done.returncode != 0
    assert "orders cannot be told as of position 1" in done.stderr


def test_a_later_moment_is_told_where_all_events_of_a_row_are_there_and_else_refused(lost: Lost) -> None:
    expected = lost.ledger.tables(lost.head)
    first_of = {event.subject: event.position for event in reversed(lost.ledger.events)}
    before = {row["customer_id"] for row in lost.ledger.tables(lost.removed)["customers"]}
    [kept, *_] = [row for row in expected["orders"] if row["customer_id"] not in before]
    assert lost.shop.ask(f"/{kept['order_id']}/status", as_of=lost.head)["data"]["status"] == kept["status"]
    assert lost.shop.ask(f"/{kept['order_id']}", 404, as_of=first_of[kept["order_id"]] - 1)["rule"] == "unknown-id"
    for path in (*LISTS, "/o-0", "/aggregates/products/mug-0"):
        said = _refused(lost.shop.http.get(path, params={"as_of": lost.head, "timeout": 30}), lost.head)
        assert "the event store has no event of orders at position 1" in said
        assert "no archive is set (HEADRACE_ARCHIVE)" in said
    assert lost.shop.ask("/", as_of=0, timeout=30)["data"] == [], "before the first event nothing was ever there"


def test_an_instant_whose_position_is_not_known_any_more_is_refused(lost: Lost) -> None:
    for instant in (lost.ledger.events[0].time, lost.ledger.events[0].time - timedelta(days=1)):
        for path in (*LISTS, "/o-0"):
            refused = lost.shop.ask(path, 410, as_of=instant.isoformat())
            assert (refused["rule"], refused["field"]) == ("not-kept", "as_of")
            assert "is not known any more, so ask for a position" in refused["detail"]
            assert "no archive is set (HEADRACE_ARCHIVE)" in refused["detail"]


def test_with_the_archive_all_of_it_is_told_exactly(lost: Lost) -> None:
    with closing(lost.with_archive()) as shop:
        for position in (1, lost.removed, lost.removed + 1, lost.archived, lost.head):
            assert shop.tables(position) == lost.ledger.tables(position), position
            for order in lost.ledger.tables(position)["orders"][:2]:
                assert shop.ask(f"/{order['order_id']}", as_of=position, timeout=30)["data"] == order
        for event in (lost.ledger.events[0], lost.ledger.events[lost.removed], lost.ledger.events[-1]):
            last = max(each.position for each in lost.ledger.events if each.time <= event.time)
            assert shop.ask("/", as_of=event.time.isoformat(), timeout=30)["freshness"]["position"] == last
        before = (lost.ledger.events[0].time - timedelta(days=1)).isoformat()
        assert shop.ask("/", as_of=before, timeout=30)["data"] == []


def test_a_damaged_archive_is_no_archive(lost: Lost) -> None:
    position = lost.removed - 1
    files = list(Path(lost.archive).rglob("*.parquet"))
    assert files
    whole = {file: file.read_bytes() for file in files}
    with closing(lost.with_archive()) as shop:
        try:
            for file in files:
                file.write_bytes(b"nothing")
            told = lost.removed + 1
            for asked in (position, told):
                for path in (*LISTS, "/o-0"):
                    said = _refused(shop.http.get(path, params={"as_of": asked, "timeout": 30}), asked)
                    assert "of the archive cannot be read" in said
        finally:
            for file, content in whole.items():
                file.write_bytes(content)
        assert shop.ask("/", as_of=position, timeout=30)["data"] == lost.ledger.tables(position)["orders"]


def test_what_the_topic_alone_has_still_makes_every_later_moment_whole(pipeline: Pipeline, domain: Domain) -> None:
    with closing(_begun(pipeline, domain)) as shop:
        made = Lost(shop, Ledger(pipeline.addresses.postgres, domain), "", 0)
        made.remove_from_store(made.head - 5)
        assert shop.tables(made.head) == made.ledger.tables(made.head)
        for row in made.ledger.tables(made.head)["customers"]:
            found = shop.ask(f"/aggregates/customers/{row['customer_id']}", as_of=made.head, timeout=30)
            assert found["data"] == row, "a row whose events PostgreSQL has only in part is read from the whole table"
        _refused(shop.http.get("/", params={"as_of": made.removed}), made.removed)


def test_one_event_that_is_missing_on_the_way_refuses_all_moments_after_it(pipeline: Pipeline, domain: Domain) -> None:
    with closing(_begun(pipeline, domain)) as shop:
        made = Lost(shop, Ledger(pipeline.addresses.postgres, domain), "", 0)
        gone = made.head // 2
        made.remove_from_topic(made.head)
        with tampering(pipeline.addresses.postgres, domain) as operator:
            operator.delete(gone)
        assert shop.tables(gone - 1) == made.ledger.tables(gone - 1)
        for position in (gone, gone + 1, made.head):
            said = _refused(shop.http.get("/", params={"as_of": position, "timeout": 30}), position)
            assert f"no event of orders at position {gone}" in said


def test_events_that_the_read_side_lost_are_not_passed_over(pipeline: Pipeline, domain: Domain) -> None:
    with closing(_begun(pipeline, domain)) as shop:
        made = Lost(shop, Ledger(pipeline.addresses.postgres, domain), "", 0)
        _run(pipeline, f"DELETE FROM {domain.database}.events WHERE position = 3")
        said = _refused(shop.http.get("/", params={"as_of": 4, "timeout": 30}), 4)
        assert "`headrace audit`" in said
        assert shop.ask("/", as_of=2, timeout=30)["data"] == made.ledger.tables(2)["orders"]
        assert [name for name in _databases(pipeline) if "_asof_4_" in name] == [], "nothing half made is left"


def _databases(pipeline: Pipeline) -> list[str]:
    return [str(name) for (name,) in _run(pipeline, "SHOW DATABASES") if name.startswith(pipeline.namespace)]


def _run(pipeline: Pipeline, statement: str) -> list[Any]:
    client = clickhouse_driver.Client.from_url(pipeline.addresses.clickhouse)
    try:
        return list(client.execute(statement))
    finally:
        client.disconnect()
