"""What clients and hosts do wrong, or oddly, and what the server makes of it."""

import datetime
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from clickhouse_driver.errors import ServerException
from clickhouse_driver.protocol import ServerPacketTypes
from clickhouse_driver.varint import write_varint
from clickhouse_driver.writer import write_binary_str

from tests.contract.clickhouse_server import ClickHouse

NOT_IMPLEMENTED, READONLY, THROW_IF = 48, 164, 395
ROWS = 1 << 14


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ClickHouse]:
    running = ClickHouse(tmp_path_factory.mktemp("clickhouse"))
    writer = running.client()
    writer.execute("CREATE TABLE t (a UInt8) ENGINE = MergeTree ORDER BY a")
    writer.disconnect()
    yield running
    running.stop()


@pytest.fixture
def writer(server: ClickHouse) -> Iterator[Any]:
    connected = server.client()
    yield connected
    connected.disconnect()


@pytest.fixture
def reader(server: ClickHouse) -> Iterator[Any]:
    connected = server.client("reader")
    yield connected
    connected.disconnect()


def begin_insert(client: Any, query: str) -> Any:
    """Send an insert's statement; the connection, on which its blocks are due."""
    client.execute("SELECT 1")  # connects
    client.connection.send_query(query)
    client.connection.send_external_tables(None)
    client.receive_sample_block()
    return client.connection


def send_block(connection: Any, value: bytes, custom: int = 0) -> None:
    """Send a block of one column `a UInt8`, all of one value."""
    out = connection.fout
    out.write(b"\x02\x00\x01\x00\x02\xff\xff\xff\xff\x00\x01")
    write_varint(ROWS, out)
    write_binary_str("a", out)
    write_binary_str("UInt8", out)
    out.write(bytes([custom]) + value * ROWS)
    out.flush()


def error_that_ends(connection: Any) -> int:
    """Code of the error with which a query ends, whatever comes before it."""
    while (packet := connection.receive_packet()).exception is None:
        assert packet.type != ServerPacketTypes.END_OF_STREAM, "the query was answered as done"
    code: int = packet.exception.code
    return code


def test_rows_are_never_taken_for_a_cancel_so_a_refused_insert_is_never_answered_as_taken(writer: Any) -> None:
    late = "throwIf(now64(3) > toDateTime64('2000-01-01 00:00:00', 3)) = 0"
    connection = begin_insert(writer, f"INSERT INTO t (a) SELECT a FROM input('a UInt8') WHERE {late} FORMAT Native")
    end = time.monotonic() + 1
    while time.monotonic() < end:
        send_block(connection, b"\x03")  # the number of a cancel
    connection.send_external_tables(None)  # the empty block
    assert error_that_ends(connection) == THROW_IF
    writer.disconnect()
    assert writer.execute("SELECT count() FROM t") == [(0,)]


def test_a_block_that_cannot_be_read_is_told_and_ends_only_its_own_connection(server: ClickHouse, writer: Any) -> None:
    connection = begin_insert(writer, "INSERT INTO t (a) VALUES")
    send_block(connection, b"\x01", custom=1)
    assert error_that_ends(connection) == NOT_IMPLEMENTED
    with pytest.raises(EOFError):
        connection.receive_packet()
    writer.disconnect()
    assert writer.execute("SELECT count() FROM t") == [(0,)]
    assert server.spooled() == []


def test_an_insert_into_a_column_that_cannot_be_taken_is_refused_before_its_rows(writer: Any) -> None:
    writer.execute("CREATE TABLE IF NOT EXISTS states (s AggregateFunction(uniq, UInt8)) ENGINE = Memory")
    with pytest.raises(ServerException, match="AggregateFunction") as refused:
        writer.execute("INSERT INTO states (s) VALUES", [(b"x",)])
    assert refused.value.code == NOT_IMPLEMENTED
    assert writer.execute("SELECT 1") == [(1,)]


@pytest.mark.parametrize(
    "query",
    [
        "/* /* */ SHOW */ SYSTEM STOP MERGES",
        "/* /* */ SHOW */ KILL QUERY WHERE 1",
        "/* /* */ SHOW */ BACKUP TABLE t TO Disk('default', 'b')",
        "/* /* */ SELECT */ INSERT INTO t VALUES (1)",
        "/* /* */ SHOW */ DESCRIBE url('http://127.0.0.1:1/x')",
        "SHOW TABLES; SYSTEM STOP MERGES",
    ],
)
def test_comments_in_comments_do_not_hide_a_readers_statement(reader: Any, query: str) -> None:
    with pytest.raises(ServerException) as refused:
        reader.execute(query)
    assert refused.value.code == READONLY


@pytest.mark.parametrize(
    ("query", "answer"),
    [
        ("SELECT {x:UInt8} AS profile ORDER BY profile DESC", 7),
        ("SELECT {x:UInt8};", 7),
        ("SELECT {x:UInt8} WHERE 'outfile' != ''", 7),
    ],
)
def test_words_that_look_dangerous_do_not_hinder_a_readers_bound_values(reader: Any, query: str, answer: int) -> None:
    assert reader.execute(query, {"x": 7}, settings={"server_side_params": True}) == [(answer,)]


def test_a_date_time_means_the_same_to_client_and_engine_wherever_the_host_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as host:
        host.setenv("TZ", "Asia/Tokyo")
        server = ClickHouse(tmp_path / "tokyo")
    client = server.client()
    try:
        client.execute("CREATE TABLE d (at DateTime) ENGINE = Memory")
        client.execute("INSERT INTO d (at) VALUES", [(datetime.datetime(2024, 2, 3, 4, 5, 6),)])
        assert client.execute("SELECT toString(at) FROM d WHERE at = '2024-02-03 04:05:06'") == [
            ("2024-02-03 04:05:06",)
        ]
    finally:
        client.disconnect()
        server.stop()
