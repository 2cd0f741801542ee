"""The archive as a hop of the audit: its files, its events against Postgres, and what it holds in Postgres' place."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from confluent_kafka import TopicPartition
from confluent_kafka.admin import AdminClient

from infra import archiving, topics
from infra.audit.findings import Finding, Hop, Report
from infra.stack import Addresses
from schemas import discover
from sinks.archive.location import Location
from tests.conftest import fresh_database
from tests.integration.audited import Audited, requests
from tests.pipeline import Pipeline, until
from tests.tampering import tampering

NAMESPACE = "auditedarchive"
HEAD, ARCHIVED, SECOND = 120, 100, 61  # positions: the last, the last archived, the first of the second file


class Archived(Audited):
    """120 events that went the whole way, the first 100 of them in two files of the archive."""

    @property
    def place(self) -> Path:
        return self.pipeline.home / "archive"

    def archive(self) -> None:
        for until_ in (SECOND - 1, ARCHIVED):
            archiving.archive(self.pipeline.addresses.postgres, self.domain, Location(str(self.place)), until_)

    def report(self, *, deep: bool = False) -> Report:
        return self.audit(deep=deep, archive=str(self.place))

    @contextmanager
    def damaged(self) -> Iterator[Path]:
        """The second file, which may be damaged; the archive is put back at the end."""
        copy = self.pipeline.home / "copy"
        shutil.copytree(self.place, copy)
        try:
            yield next(self.place.rglob(f"positions-{SECOND}-*.parquet"))
        finally:
            shutil.rmtree(self.place)
            copy.rename(self.place)


@pytest.fixture(scope="module")
def audited(servers: Addresses, _template: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Archived]:
    domain = discover(NAMESPACE)["orders"]
    topics.declare(servers.kafka, [domain])
    with fresh_database(servers.postgres, _template) as postgres:
        pipeline = Pipeline(replace(servers, postgres=postgres), NAMESPACE, tmp_path_factory.mktemp("audited"))
        made = Archived(pipeline, domain)
        pipeline.start("relay", "worker", "sink")
        for first in range(1, HEAD // 2, 10):  # appends of twenty events
            made.append(requests(first, first + 10))
        until(lambda: made.complete(HEAD), 120, what="all has gone the whole way")
        made.archive()
        yield made
        made.drop()


def hop(report: Report, name: str) -> Hop:
    [found] = [each for each in report.hops if each.name == name]
    return found


def said(report: Report) -> set[tuple[str, str, int | None]]:
    return {(each.hop, each.kind, each.position) for each in report.findings}


def only(report: Report) -> Finding:
    [found] = report.findings
    return found


def test_the_archive_is_a_hop_that_may_end_before_postgres(audited: Archived) -> None:
    report = audited.report()
    assert report.findings == ()
    assert report.complete, report.hops
    archive = hop(report, "archive")
    assert (archive.upto, archive.count, archive.distinct) == (ARCHIVED, ARCHIVED, ARCHIVED)
    assert archive.note == "20 later events are held by PostgreSQL alone"
    assert "archive" not in {each.name for each in audited.audit().hops}, "none is configured"


def test_a_file_that_was_removed_or_altered_is_named_with_its_positions(audited: Archived) -> None:
    with audited.damaged() as file:
        file.unlink()
        removed = audited.report()
    with audited.damaged() as file:
        content = bytearray(file.read_bytes())
        content[len(content) // 2] ^= 1
        file.write_bytes(content)
        altered = audited.report()
    assert said(removed) == {("archive", "missing", SECOND)}
    assert only(removed).detail.endswith(f"it has the positions {SECOND} to {ARCHIVED}")
    assert said(altered) == {("archive", "altered", SECOND)}
    assert "is not the file that was written" in only(altered).detail
    assert hop(altered, "archive").count == SECOND - 1, "the other file is compared"


def test_a_manifest_that_is_missing_is_a_gap(audited: Archived) -> None:
    with audited.damaged() as file:
        (file.parent.parent / "_manifest" / f"{1:019}.json").unlink()
        report = audited.report()
    assert said(report) == {("archive", "altered", None)}
    assert f"positions 1 to {SECOND - 1} are in no file" in only(report).detail


def test_an_event_that_the_archive_has_otherwise_is_named_at_the_hop_whose_hash_is_wrong(audited: Archived) -> None:
    with audited.damaged(), audited.tampering() as tamperer:
        tamperer.set(70, data=b'{"type":"OrderPlaced"}')
        shutil.rmtree(audited.place)
        audited.archive()  # of what was altered: manifests and files are made to fit
        tamperer.run("UPDATE events SET data = s.data FROM saved s WHERE events.position = 70 AND s.position = 70")
        report = audited.report()
        assert said(report) == {("archive", "altered", 70)}
        assert [each.column for each in only(report).differences] == ["data"]
    with audited.tampering() as tamperer:
        tamperer.set(70, data=b'{"type":"OrderPlaced"}')
        assert said(audited.report()) == {("postgres", "altered", 70)}
    assert audited.report().findings == ()


def test_events_that_postgres_and_the_topic_have_no_more_are_no_loss_where_the_archive_has_them(
    audited: Archived,
) -> None:
    at, topic = audited.pipeline.addresses, audited.domain.events_topic
    admin = AdminClient({"bootstrap.servers": at.kafka})
    places = [TopicPartition(topic, number, 12) for number in range(audited.domain.partitions)]
    for done in admin.delete_records(places).values():
        done.result(30)
    trimmed = audited.report()
    assert trimmed.findings == ()
    note = hop(trimmed, topic).note
    assert "the topic was trimmed: it is whole from position" in note
    assert note.endswith("the events before are held by PostgreSQL")
    with tampering(at.postgres, audited.domain) as operator:
        operator.run("DELETE FROM events WHERE domain = %(domain)s AND position <= 90")
    report = audited.report(deep=True)
    assert report.findings == ()
    assert report.complete, report.hops
    assert hop(report, "postgres").count == HEAD
    assert hop(report, "postgres").note == ("up to position 90 events are not there any more: the archive holds them")
    assert hop(report, topic).note.endswith("the events before are held by the archive and PostgreSQL")
    with audited.saved("{events}.events", "position = 17"):
        audited.run("ALTER TABLE {events}.events UPDATE data = replace(data, '10.00', '99.00') WHERE position = 17")
        altered = [each for each in audited.report().findings if each.hop == "clickhouse events"]
    assert [(each.kind, each.position) for each in altered] == [("altered", 17)]
    assert [each.column for each in altered[0].differences] == ["data"]
    assert altered[0].partition is not None
    assert audited.audit().hops[0].missing == 90, "without the archive they are lost"
    with audited.damaged() as file:
        file.unlink()
        assert hop(audited.report(), "postgres").missing == 90 - SECOND + 1
