"""The sink when it is killed, when ClickHouse is away or its answer is lost, and when records fit no table."""

import dataclasses
import signal
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
import pytest
from confluent_kafka import Producer

from infra.stack import Addresses
from schemas import WATERMARK_KEY, Control, Domain, Money, Row, encode
from schemas.orders import Order
from tests.integration.loaded import Loaded, forget_offsets, publish
from tests.integration.lossy import LossyProxy
from tests.integration.order_source import Publisher, Source
from tests.pipeline import Pipeline, until
from tests.proxy import proxy_of

AT = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    "point", ["load.cut:3", "load.announced:3", "load.inserted:3", "load.progressed:2", "load.acknowledged:1"]
)
def test_killed_at_each_of_its_points_it_loads_every_event_once(
    point: str, pipeline: Pipeline, publisher: Publisher, source: Source, loaded: Loaded
) -> None:
    _kill_under_load(point, pipeline, publisher, source, loaded)
    publish(publisher, source, 300, batch=50, abort_every=6)
    pipeline.start("sink")
    loaded.wait(source.position)
    loaded.assert_exact(source)


def _kill_under_load(point: str, pipeline: Pipeline, publisher: Publisher, source: Source, loaded: Loaded) -> None:
    """Start a sink that is killed at the point, and publish until it is: one round may take all that is there."""
    pipeline.start("sink", crash_point=point)

    def killed() -> bool:
        publish(publisher, source, 300, batch=50, abort_every=6)
        until(lambda: pipeline.died("sink") is not None or loaded.complete() >= source.position, 30)
        return pipeline.died("sink") is not None

    until(killed, 60, what="the point is reached")
    assert pipeline.running["sink"].wait(5) == -signal.SIGKILL


def test_killed_again_and_again_while_it_recovers_it_loads_every_event_once(
    pipeline: Pipeline, publisher: Publisher, source: Source, loaded: Loaded
) -> None:
    _kill_under_load("load.announced:2", pipeline, publisher, source, loaded)
    for point in ("load.cut:1", "load.announced:1", "load.inserted:1", "load.inserted:1"):
        pipeline.start("sink", crash_point=point)
        assert pipeline.running["sink"].wait(60) == -signal.SIGKILL, pipeline.log("sink")
    pipeline.start("sink")
    loaded.wait(source.position)
    loaded.assert_exact(source)


@pytest.fixture
def elsewhere(pipeline: Pipeline, namespace: str, tmp_path: Path) -> Iterator["Elsewhere"]:
    made = Elsewhere(pipeline.addresses, namespace, tmp_path)
    yield made
    for processes in made.started:
        for name in list(processes.running):
            processes.kill(name)


class Elsewhere:
    """Sinks that reach ClickHouse by another address."""

    def __init__(self, addresses: Addresses, namespace: str, home: Path) -> None:
        self._addresses, self._namespace, self._home = addresses, namespace, home
        self.started: list[Pipeline] = []

    def sink(self, clickhouse: str) -> Pipeline:
        at = dataclasses.replace(self._addresses, clickhouse=clickhouse)
        self.started.append(Pipeline(at, self._namespace, self._home))
        self.started[-1].start("sink")
        return self.started[-1]


def test_an_insert_whose_answer_is_lost_is_made_again_and_changes_nothing(
    elsewhere: Elsewhere, clickhouse: str, publisher: Publisher, source: Source, loaded: Loaded
) -> None:
    with LossyProxy(clickhouse) as proxy:
        sink = elsewhere.sink(proxy.url)
        publish(publisher, source, 100)
        loaded.wait(source.position)
        for _ in range(3):
            proxy.lose_an_answer()
            before = source.position
            publish(publisher, source, 100)
            assert proxy.lost.wait(30), "an insert came"
            until(lambda: _events(loaded) > before, 30, what="the server has applied the insert")  # noqa: B023 - used at once
            proxy.cut()
            loaded.wait(source.position)
        loaded.assert_exact(source)
        assert sink.died("sink") is None
        assert sink.log("sink").count("coming back") >= 3
        assert "Traceback" not in sink.log("sink")


def _events(loaded: Loaded) -> int:
    [(count,)] = loaded.rows("SELECT count() FROM {events}.events")
    return int(count)


def test_while_clickhouse_is_away_it_waits_and_then_goes_on(
    elsewhere: Elsewhere, clickhouse: str, publisher: Publisher, source: Source, loaded: Loaded
) -> None:
    with proxy_of(clickhouse) as proxy:
        sink = elsewhere.sink(proxy.url(clickhouse))
        for _ in range(2):
            publish(publisher, source, 300, batch=50)
            loaded.wait(source.position)
            proxy.cut()
            seen = sink.log("sink").count("coming back")
            publish(publisher, source, 300, batch=50)
            until(lambda: sink.log("sink").count("coming back") > seen, 30, what="it notices")  # noqa: B023 - used at once
            proxy.mend()
        loaded.wait(source.position)
        loaded.assert_exact(source)
        assert sink.died("sink") is None
        assert "Traceback" not in sink.log("sink")


def test_it_starts_before_clickhouse_does(
    elsewhere: Elsewhere, clickhouse: str, publisher: Publisher, source: Source, loaded: Loaded
) -> None:
    publish(publisher, source, 100)
    with proxy_of(clickhouse) as proxy:
        proxy.cut()
        sink = elsewhere.sink(proxy.url(clickhouse))
        until(lambda: "waiting: ClickHouse does not answer" in sink.log("sink"), 30, what="it waits")
        proxy.mend()
        loaded.wait(source.position)
    loaded.assert_exact(source)


def test_an_event_that_fits_no_column_is_quarantined_and_stops_nothing(
    pipeline: Pipeline, publisher: Publisher, source: Source, loaded: Loaded
) -> None:
    good = list(source.events(20))
    huge = good[5][1].replace(b'"position":6,', b'"position":99999999999999999999,')
    assert huge != good[5][1]
    publisher.publish([*good[:10], ("customer-1", huge), ("customer-1", b"\xff\x00"), *good[10:]])
    publisher.watermark(source.position)
    pipeline.start("sink")
    loaded.wait(source.position)
    loaded.assert_exact(source)
    found = {value for (value,) in loaded.rows("SELECT hex(value) FROM {events}.quarantine")}
    assert found == {huge.hex().upper(), "FF00"}
    pipeline.kill("sink")
    pipeline.start("sink")
    publish(publisher, source, 20)
    loaded.wait(source.position)
    loaded.assert_exact(source)
    assert len(loaded.rows("SELECT value FROM {events}.quarantine")) == 2


class Rows:
    """Writes to the topic of the orders' table as a worker does."""

    def __init__(self, kafka: str, domain: Domain) -> None:
        self._domain, self.topic = domain, domain.aggregate_topic(domain.aggregate("orders"))
        self._producer = Producer({"bootstrap.servers": kafka, "transactional.id": f"rows-{domain.namespace}"})
        self._producer.init_transactions(30)
        self._position = 0

    def put(self, **rows: tuple[str, str] | None) -> int:
        """Rows by their key, as status and amount, None removes one; all complete up to the answered position."""
        self._producer.begin_transaction()
        for key, row in rows.items():
            self._position += 1
            self._producer.produce(self.topic, self._value(key, row), key.encode(), partition=0)
        for partition in range(self._domain.partitions):
            control = encode(Control(position=self._position, time=AT))
            self._producer.produce(self.topic, control, WATERMARK_KEY, partition=partition)
        self._producer.commit_transaction(30)
        return self._position

    def _value(self, key: str, row: tuple[str, str] | None) -> bytes | None:
        if row is None:
            return None
        status, amount = row
        total = Money(Decimal(amount), "USD")
        order = Order(order_id=key, customer_id="c", status=status, items=1, total=total, placed_at=AT)  # type: ignore[arg-type]  # a status by its name
        return encode(Row(position=self._position, data=order))


def test_of_an_aggregates_rows_the_last_counts_and_removed_ones_are_gone(
    pipeline: Pipeline, kafka: str, domain: Domain, loaded: Loaded
) -> None:
    rows = Rows(kafka, domain)
    pipeline.start("sink")
    loaded.wait(rows.put(a=("placed", "0.10"), b=("placed", "9999999999999.99"), c=("placed", "1.00")), 60, rows.topic)
    loaded.wait(rows.put(a=("paid", "0.20"), c=None), 60, rows.topic)
    query = "SELECT order_id, status, total FROM {projection}.orders FINAL ORDER BY order_id"
    expected = [("a", "paid", Decimal("0.20")), ("b", "placed", Decimal("9999999999999.99"))]
    assert loaded.rows(query) == expected
    pipeline.kill("sink")
    pipeline.start("sink")
    loaded.wait(rows.put(b=None, c=("placed", "3.00")), 60, rows.topic)
    assert loaded.rows(query) == [expected[0], ("c", "placed", Decimal("3.00"))]


def test_progress_of_tables_that_were_made_anew_does_not_count(
    pipeline: Pipeline, publisher: Publisher, source: Source, loaded: Loaded, domain: Domain, kafka: str
) -> None:
    publish(publisher, source, 100)
    pipeline.start("sink")
    loaded.wait(source.position)
    pipeline.stop("sink")
    for table in ("events", "revenue_by_month"):
        loaded.rows(f"TRUNCATE TABLE {{events}}.{table}")
    forget_offsets(kafka, domain)
    pipeline.start("sink", crash_point="load.announced:1")
    assert pipeline.running.pop("sink").wait(30) == -signal.SIGKILL
    pipeline.start("api")

    def asked() -> dict[str, Any]:
        answer: dict[str, Any] = httpx.get(f"{pipeline.url}/api/orders/events", timeout=30).json()
        return answer

    assert (asked()["data"], asked()["freshness"]["position"]) == ([], 0)
    pipeline.start("sink")
    until(lambda: asked()["freshness"]["position"] == source.position, 60, what="all is loaded anew")
    loaded.assert_exact(source)
