"""Others read the archive as it is: DuckDB, ClickHouse, and whoever reads an object store."""

import logging
from collections.abc import Iterator
from pathlib import Path

import clickhouse_driver
import duckdb
import pytest
from moto.server import ThreadedMotoServer

from infra import archiving
from schemas import Domain
from sinks.archive.location import Location
from tests.integration.proven import History

LAST = 30


@pytest.fixture
def history(postgres: str, domain: Domain) -> History:
    made = History(postgres, domain)
    made.append()
    return made


@pytest.fixture
def files(history: History, tmp_path: Path) -> str:
    """A pattern of the archive's files."""
    for until in (12, LAST):
        archiving.archive(history.postgres, history.domain, Location(str(tmp_path / "archive")), until)
    return str(tmp_path / "archive" / "**" / "*.parquet")


def test_duckdb_reads_the_files_with_domain_and_day(files: str, domain: Domain) -> None:
    columns = "domain, count(*), max(position), count(DISTINCT day), typeof(min(recorded_at))"
    found = duckdb.sql(f"SELECT {columns} FROM '{files}' GROUP BY 1")
    assert found is not None
    assert found.fetchall() == [(domain.key, LAST, LAST, 1, "TIMESTAMP WITH TIME ZONE")]


def test_clickhouse_reads_the_files(files: str, clickhouse: str) -> None:
    client = clickhouse_driver.Client.from_url(clickhouse)
    asked = f"SELECT count(), sum(position), any(toTypeName(recorded_at)) FROM file('{files}', Parquet)"
    [(count, total, kind)] = client.execute(asked)
    client.disconnect()
    assert (count, total) == (LAST, LAST * (LAST + 1) // 2)
    assert "DateTime64(6, 'UTC')" in kind


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """URL of a bucket of an S3 server."""
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0)
    server.start()
    try:
        host, port = server.get_host_and_port()
        url = f"s3://events/of/ours?endpoint_override={host}:{port}&scheme=http&region=us-east-1"
        Location(f"{url}&allow_bucket_creation=true").files.create_dir("events")
        yield url
    finally:
        server.stop()


def test_an_object_store_holds_an_archive_as_a_directory_does(history: History, bucket: str) -> None:
    for until in (12, None, None):
        made = archiving.archive(history.postgres, history.domain, Location(bucket), until)
    found = archiving.verify(history.domain, Location(bucket))
    assert (found.position, found.digest, found.segments) == (LAST, made.digest, 2)
    left = Location(bucket).names("")
    assert len(left) == 4, left
