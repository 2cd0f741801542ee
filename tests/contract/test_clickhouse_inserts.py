"""Inserts into the ClickHouse server: whole or not at all, and once."""

import datetime
import socket
import uuid
from collections.abc import Iterator
from typing import Any

import pytest

from tests.contract.clickhouse_server import DEDUPLICATED, ClickHouse, count, error_code
from tests.pipeline import until


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ClickHouse]:
    running = ClickHouse(tmp_path_factory.mktemp("clickhouse"))
    yield running
    running.stop()


@pytest.fixture
def client(server: ClickHouse) -> Iterator[Any]:
    connected = server.client()
    yield connected
    connected.disconnect()


@pytest.fixture
def table(client: Any) -> Iterator[str]:
    """A table with columns a and s that recognises repeated tokens."""
    name = f"t_{uuid.uuid4().hex[:8]}"
    client.execute(f"CREATE TABLE {name} (a UInt64, s String) {DEDUPLICATED}")
    yield name
    client.disconnect()
    client.execute(f"DROP TABLE {name}")


def test_an_insert_of_no_rows_adds_none(client: Any, table: str) -> None:
    assert client.execute(f"INSERT INTO {table} (a, s) VALUES", []) == 0
    assert count(client, table) == (0, 0)
    assert client.execute("SELECT 1") == [(1,)]


def test_columns_that_are_left_out_get_their_defaults(client: Any) -> None:
    client.execute("DROP TABLE IF EXISTS d")
    client.execute("CREATE TABLE d (a UInt8, b UInt8 DEFAULT a + 1, m UInt8 MATERIALIZED 7) ENGINE = Memory")
    client.execute("INSERT INTO d (a) VALUES", [(1,)])
    client.execute("INSERT INTO d VALUES", [(5, 5)])
    assert client.execute("SELECT a, b, m FROM d ORDER BY a") == [(1, 2, 7), (5, 5, 7)]


@pytest.mark.parametrize("block_size", [1000, 65_409, 300_000])
def test_an_insert_of_many_blocks_is_one_part(client: Any, table: str, block_size: int) -> None:
    rows = ((n, "x") for n in range(300_000))
    settings = {"insert_block_size": block_size, "insert_deduplication_token": "one"}
    client.execute(f"INSERT INTO {table} (a, s) VALUES", rows, settings=settings)
    query = "SELECT count(), sum(rows) FROM system.parts WHERE table = %(t)s AND active"
    assert client.execute(query, {"t": table}) == [(1, 300_000)]


def test_a_repeated_token_adds_nothing_however_its_blocks_are_cut(client: Any, table: str) -> None:
    client.execute(
        f"CREATE MATERIALIZED VIEW {table}_view (k UInt64, n UInt64) ENGINE = SummingMergeTree ORDER BY k"
        f" SETTINGS non_replicated_deduplication_window = 1000"
        f" AS SELECT a % 10 AS k, count() AS n FROM {table} GROUP BY k"
    )
    rows = [(n, f"s{n}") for n in range(50_000)]
    rollup = f"SELECT k, sum(n) FROM {table}_view GROUP BY k ORDER BY k"
    for token in ("first", "second"):
        times = 1 if token == "first" else 2
        for block_size in (50_000, 7_000, 1_000_000):
            client.execute(
                f"INSERT INTO {table} (a, s) VALUES",
                rows,
                settings={
                    "insert_block_size": block_size,
                    "insert_deduplication_token": token,
                    "deduplicate_blocks_in_dependent_materialized_views": 1,
                },
            )
            assert count(client, table) == (times * 50_000, times * sum(range(50_000)))
            assert client.execute(rollup) == [(k, times * 5_000) for k in range(10)]
    client.execute(f"DROP TABLE {table}_view")


def test_types_survive_being_made_one_block(client: Any) -> None:
    client.execute("DROP TABLE IF EXISTS o")
    columns = (
        "i UInt32, `b ``c\\'` Enum8('a\\'b' = 1), l LowCardinality(Nullable(String)), j JSON, z DateTime('Asia/Tokyo')"
    )
    client.execute(f"CREATE TABLE o ({columns}) ENGINE = MergeTree ORDER BY i")
    at = datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC)
    rows = [(n, "a'b", None, '{"a":"b"}', at) for n in range(5000)]
    client.execute("INSERT INTO o VALUES", rows, settings={"insert_block_size": 1000})
    query = (
        "SELECT count(), uniqExact(i, `b ``c\\'`), min(toUnixTimestamp(z)), any(j.a::String), uniqExact(_part) FROM o"
    )
    assert client.execute(query) == [(5000, 5000, int(at.timestamp()), "b", 1)]


def deadline(table: str, moment: datetime.datetime) -> str:
    """An insert that is refused after a moment."""
    at = f"toDateTime64('{moment:%Y-%m-%d %H:%M:%S.%f}', 3, 'UTC')"
    return (
        f"INSERT INTO {table} (a, s) SELECT a, s FROM input('a UInt64, s String')"
        f" WHERE throwIf(now64(3) > {at}, 'late') = 0 FORMAT Native"
    )


def test_an_insert_before_its_deadline_is_taken_once(client: Any, table: str) -> None:
    later = datetime.datetime.now(datetime.UTC) + datetime.timedelta(minutes=5)
    rows = [(n, "x") for n in range(200_000)]
    for _ in range(2):
        client.execute(deadline(table, later), rows, settings={"insert_deduplication_token": "one"})
    assert count(client, table) == (200_000, sum(range(200_000)))
    query = "SELECT count() FROM system.parts WHERE table = %(t)s AND active"
    assert client.execute(query, {"t": table}) == [(1,)]


def test_an_insert_after_its_deadline_is_refused_whole_and_its_token_stays_free(client: Any, table: str) -> None:
    now = datetime.datetime.now(datetime.UTC)
    settings = {"insert_deduplication_token": "one"}
    past = deadline(table, now - datetime.timedelta(seconds=1))
    assert error_code(client, past, params=[(5, "x")], settings=settings) == 395
    assert count(client, table) == (0, 0)
    client.execute(deadline(table, now + datetime.timedelta(minutes=5)), [(5, "x")], settings=settings)
    assert count(client, table) == (1, 5)


def test_the_deadline_counts_when_all_rows_have_come(client: Any, table: str) -> None:
    moment = datetime.datetime.now(datetime.UTC) + datetime.timedelta(seconds=1)

    def rows() -> Iterator[tuple[int, str]]:
        yield 1, "in time"
        until(lambda: datetime.datetime.now(datetime.UTC) > moment, 5, what="the moment has passed")
        yield 2, "late"

    assert error_code(client, deadline(table, moment), params=rows(), settings={"insert_block_size": 1}) == 395
    assert count(client, table) == (0, 0)


def test_a_client_that_dies_in_the_middle_of_an_insert_leaves_nothing(
    server: ClickHouse, client: Any, table: str
) -> None:
    before = server.connections(), server.threads()
    dying = server.client()

    def rows() -> Iterator[tuple[int, str]]:
        for n in range(5000):
            yield n, "x"
        until(server.spooled, 5, what="the first rows are spooled")
        dying.connection.socket.shutdown(socket.SHUT_RDWR)
        for n in range(5000):
            yield n, "x"

    with pytest.raises((OSError, EOFError)):
        dying.execute(f"INSERT INTO {table} (a, s) VALUES", rows(), settings={"insert_block_size": 1000})
    dying.disconnect()
    until(lambda: server.connections() <= before[0], 5, what="the connection is gone")
    until(lambda: not server.spooled(), 5, what="the spool is empty")
    until(lambda: server.threads() <= before[1], 20, what="the thread has ended")
    assert count(client, table) == (0, 0)
