"""The audit on a pipeline that has run: each fault is planted for real, and named."""

from collections.abc import Iterable, Iterator
from dataclasses import replace

import pytest

from infra import topics
from infra.audit.findings import Finding
from infra.stack import Addresses
from producers.relay.records import Checkpoint
from producers.relay.source import Source
from schemas import discover
from tests.conftest import fresh_database
from tests.integration.audited import Audited, requests, stocked
from tests.integration.order_source import Publisher
from tests.pipeline import Pipeline, until

NAMESPACE = "audited"


@pytest.fixture(scope="module")
def audited(servers: Addresses, _template: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Audited]:
    """800 events that went the whole way; relay, worker and sink are running."""
    domain = discover(NAMESPACE)["orders"]
    topics.declare(servers.kafka, [domain])
    with fresh_database(servers.postgres, _template) as postgres:
        pipeline = Pipeline(replace(servers, postgres=postgres), NAMESPACE, tmp_path_factory.mktemp("audited"))
        made = Audited(pipeline, domain)
        pipeline.start("relay", "worker", "sink")
        made.append([*requests(1, 401), *stocked("p1")])
        until(lambda: made.complete(802), 120, what="all has gone the whole way")
        yield made
        made.drop()


def test_a_pipeline_that_has_run_is_clean(audited: Audited) -> None:
    report = audited.audit()
    assert report.clean, report.findings
    assert report.complete, report.hops
    assert report.head == 802
    assert [(hop.upto, hop.count, hop.distinct) for hop in report.hops[:3]] == [(802, 802, 802)] * 3


def names(findings: Iterable[Finding]) -> set[tuple[str, str, int | None, str | None, str | None]]:
    """What findings say: hop, kind, position, id, stream."""
    return {(each.hop, each.kind, each.position, each.id, each.stream) for each in findings}


def changed(findings: Iterable[Finding], kind: str = "altered") -> dict[int | str | None, list[str]]:
    """The columns that differ, by position or key."""
    return {each.position or each.key: [d.column for d in each.differences] for each in findings if each.kind == kind}


ALTERED = {
    601: ("data", "replace(data, '10.00', '99.00')"),
    603: ("stored", "data"),
    605: ("hash", "reverse(hash)"),
    607: ("type", "'OrderPaid'"),
    609: ("stream", "'o1'"),
    611: ("event_time", "event_time + INTERVAL 1 DAY"),
    613: ("correlation_id", "'another'"),
}


def test_events_deleted_doubled_altered_and_forged_in_the_table_are_named(audited: Audited) -> None:
    with audited.saved("{events}.events", "position IN (17, 18, 1000) OR position BETWEEN 601 AND 613"):
        audited.run("ALTER TABLE {events}.events DELETE WHERE position = 17")
        audited.run("INSERT INTO {events}.events SELECT * FROM {events}.events WHERE position = 18")
        for position, (column, change) in ALTERED.items():
            audited.run(f"ALTER TABLE {{events}}.events UPDATE {column} = {change} WHERE position = {position}")
        audited.run(
            "INSERT INTO {events}.events SELECT * REPLACE (1000 AS position, 'forged' AS id) "
            "FROM (SELECT * FROM {events}.events WHERE position = 5)"
        )
        report = audited.audit()
    table = "clickhouse events"
    altered = {(table, "altered", p, f"place-o{p // 2 + 1}:1", f"o{p // 2 + 1}") for p in ALTERED}
    assert names(each for each in report.findings if each.kind != "violation") == altered | {
        (table, "missing", 17, "place-o9:1", "o9"),
        (table, "doubled", 18, "then-o9:1", "o9"),
        (table, "extra", 1000, "forged", "o3"),
    }
    assert changed(report.findings) == {position: [column] for position, (column, _) in ALTERED.items()}
    assert "10.00" in report.findings[2].differences[0].expected
    assert "99.00" in report.findings[2].differences[0].found
    [hop] = [hop for hop in report.hops if hop.name == table]
    assert (hop.count, hop.distinct, hop.missing, hop.doubled, hop.altered) == (802, 801, 1, 1, 7)


def test_events_removed_from_and_altered_in_postgres_are_named_as_that(audited: Audited) -> None:
    with audited.tampering() as tamperer:
        tamperer.delete(40)
        tamperer.set(41, data=b'{"type":"OrderPlaced"}')
        report = audited.audit()
    assert names(report.findings) == {
        ("postgres", "missing", 40, "then-o20:1", "o20"),
        ("postgres", "altered", 41, "place-o21:1", "o21"),
    }
    assert changed(report.findings) == {41: ["data"]}


def test_rows_deleted_altered_and_forged_in_an_aggregates_table_are_named(audited: Audited) -> None:
    table = f"{audited.domain.projection_database}.customers"
    kept = "customer_id IN ('c3', 'c11', 'c12', 'c13', 'forged')"
    with audited.saved("{projection}.customers", kept):
        audited.run("ALTER TABLE {projection}.customers DELETE WHERE customer_id = 'c3'")
        for key, change in {
            "c11": "items = items + 1",
            "c12": "spent = map('EUR', toDecimal64(7, 2))",
            "c13": "position = position + 1",
        }.items():
            audited.run(f"ALTER TABLE {{projection}}.customers UPDATE {change} WHERE customer_id = '{key}'")
        audited.run(
            "INSERT INTO {projection}.customers SELECT * REPLACE ('forged' AS customer_id) "
            "FROM (SELECT * FROM {projection}.customers FINAL WHERE customer_id = 'c1')"
        )
        report = audited.audit()
    rows = [each for each in report.findings if each.hop == table]
    assert {(each.kind, each.key) for each in rows} == {
        ("missing", "c3"),
        ("altered", "c11"),
        ("altered", "c12"),
        ("altered", "c13"),
        ("extra", "forged"),
    }
    assert changed(rows) == {"c11": ["items"], "c12": ["spent"], "c13": ["position"]}
    [spent] = [each.differences[0] for each in rows if each.key == "c12"]
    assert (spent.expected, spent.found) == ("{'EUR': Decimal('90.00')}", "{'EUR': Decimal('7')}")
    violated = {each.key for each in report.findings if each.hop == "constraint customers-add-up"}
    assert violated == {"c3", "c11", "c12", "forged"}
    assert report.violations == 4


def test_a_rollup_that_is_off_by_one_and_a_sold_out_product_are_named(audited: Audited) -> None:
    rollup = audited.saved("{events}.revenue_by_month", "true", feeding=True)
    with audited.saved("{projection}.products", "true", feeding=True), rollup:
        audited.run("ALTER TABLE {projection}.products UPDATE supplied = 1 WHERE sku = 'p1'")
        audited.run("ALTER TABLE {events}.revenue_by_month UPDATE orders = orders + 1 WHERE true")
        report = audited.audit()
    [off] = [each for each in report.findings if each.hop == f"{audited.domain.database}.revenue_by_month"]
    assert (off.kind, off.key) == ("altered", "month 2026-01-01, currency EUR")
    [orders] = off.differences
    assert (orders.column, orders.expected) == ("orders", "401")
    assert int(orders.found) > 401, "one more in each part of the table"
    [violation] = [each for each in report.findings if each.kind == "violation"]
    assert (violation.hop, violation.key) == ("constraint stock-is-never-negative", "p1")
    assert "stock -1" in violation.detail
    assert report.violations == 1


def test_an_audit_under_live_writes_finds_nothing(audited: Audited) -> None:
    before = audited.head()
    with audited.writing():
        report = audited.audit()
        assert audited.head() > report.head > before
    assert report.findings == ()
    assert report.complete, report.hops


def test_the_command_says_it_in_json_and_by_its_exit_code(audited: Audited) -> None:
    told = audited.command(expected=0)
    assert (told["clean"], told["complete"], told["violations"]) == (True, True, 0)
    with audited.saved("{events}.events", "position = 17"):
        audited.run("ALTER TABLE {events}.events DELETE WHERE position = 17")
        [finding] = [each for each in audited.command(expected=1)["findings"] if each["kind"] == "missing"]
        assert (finding["position"], finding["id"], finding["hop"]) == (17, "place-o9:1", "clickhouse events")


def test_a_hop_that_is_behind_is_no_loss_and_the_command_says_so(audited: Audited) -> None:
    audited.pipeline.stop("relay")
    head = audited.audit().head
    audited.append(requests(501, 502))
    told = audited.command("--timeout", "0.2", "--from", str(head - 10), expected=2)
    assert (told["clean"], told["complete"], told["findings"]) == (True, False, [])
    assert told["hops"][1]["lag"] == "2 events behind"
    assert [hop["count"] for hop in told["hops"][:3]] == [12, 10, 10]
    audited.pipeline.start("relay")


def test_a_watch_goes_on_from_the_last_clean_position_until_ctrl_c(audited: Audited) -> None:
    with audited.watching() as lines:
        first = until(lambda: lines(1), what="a first report")[0]
        audited.append(requests(511, 512))
        last = until(lambda: [each for each in lines() if each["head"] == first["head"] + 2], what="the next events")[0]
    assert (first["since"], first["clean"]) == (0, True)
    assert (last["since"], last["upto"], last["clean"]) == (first["head"], last["head"], True)
    assert [hop["count"] for hop in last["hops"][:3]] == [2, 2, 2]
    head, said = f"{audited.head():,}", " ".join(audited.pipeline.log("watch").split())
    state = f"nothing lost, doubled or altered up to position {head} of {head}"
    assert f"last state of {audited.domain.key}: {state}" in said


def test_a_row_that_no_fold_made_is_named_by_a_deep_audit(audited: Audited) -> None:
    topic = audited.domain.aggregate_topic(audited.domain.aggregate("customers"))
    with audited.replaced(topic, b"c5", b'"items":', b'"items":1'):
        report = audited.audit(deep=True)
    [fold] = [each for each in report.findings if each.hop == f"folds of {topic}"]
    assert (fold.kind, fold.key, [each.column for each in fold.differences]) == ("altered", "c5", ["items"])
    assert {each.hop for each in report.findings} == {f"folds of {topic}", "constraint customers-add-up"}
    assert report.complete, report.hops


def test_records_lost_doubled_altered_and_disordered_on_the_way_to_kafka_are_named(audited: Audited) -> None:
    before = audited.audit().head  # all that was appended has gone the whole way
    audited.pipeline.stop("relay")
    audited.append([*requests(520, 521), *requests(560, 561), *requests(600, 601)])  # all of customer c0
    with Source(audited.pipeline.addresses.postgres, audited.domain) as source:
        rows = [row for row in source.read(Checkpoint())[1] if row.position > before]
    first, second, third, fourth, fifth, sixth = rows
    altered = fourth.value.replace(b'"correlationid":"', b'"correlationid":"x')
    publisher = Publisher(audited.pipeline.addresses.kafka, audited.domain)
    publisher.publish(
        [(row.key.decode(), row.value) for row in (first, third, third)]
        + [("c0", altered), ("c0", b"no event")]
        + [(row.key.decode(), row.value) for row in (sixth, fifth)]
    )
    publisher.watermark(sixth.position)
    report = audited.audit()
    topic = audited.domain.events_topic
    assert {(each.kind, each.position) for each in report.findings if each.hop == topic} == {
        ("missing", second.position),
        ("doubled", third.position),
        ("altered", fourth.position),
        ("extra", None),
        ("disordered", fifth.position),
    }
    assert changed(each for each in report.findings if each.hop == topic)[fourth.position] == ["correlation_id"]
    there = [each for each in report.findings if each.hop == topic and each.kind != "missing"]
    assert len({(each.partition, each.offset) for each in there}) == 4, "each by the very record that was found"
    assert all(each.offset is not None for each in there)
    loaded = {(each.kind, each.position) for each in report.findings if each.hop == "clickhouse events"}
    assert {("missing", second.position), ("doubled", third.position), ("altered", fourth.position)} < loaded
