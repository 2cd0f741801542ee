"""What a client of the ClickHouse server can count on, with the server as a process of its own."""

import datetime
import signal
import socket
import subprocess
import sys
import threading
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import psutil
import pytest
from clickhouse_driver.errors import Error, ServerException

from tests.architecture.source import ROOT
from tests.contract.clickhouse_server import ClickHouse, start
from tests.pipeline import until

ENDLESS = "SELECT count() FROM numbers(1000000000000) WHERE NOT ignore(sipHash64(number))"
DEDUPLICATED = "ENGINE = MergeTree ORDER BY a SETTINGS non_replicated_deduplication_window = 1000"


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


def count(client: Any, table: str) -> tuple[int, int]:
    """Rows and sum of column a."""
    ((rows, total),) = client.execute(f"SELECT count(), sum(a) FROM {table}")
    return rows, total


def code(client: Any, query: str, **more: Any) -> int:
    """Code of the error of a query."""
    with pytest.raises(ServerException) as raised:
        client.execute(query, **more)
    return int(raised.value.code)


# --- results


def test_a_ping_is_answered(client: Any) -> None:
    client.execute("SELECT 1")
    assert client.connection.ping()


def test_rows_can_be_iterated_over_several_blocks(client: Any) -> None:
    rows = client.execute_iter("SELECT number FROM numbers(300000)", settings={"max_block_size": 10_000})
    assert [n for (n,) in rows] == list(range(300_000))
    assert client.execute("SELECT 1") == [(1,)]


def test_a_result_can_come_by_columns(client: Any) -> None:
    assert client.execute("SELECT number, number * 2 FROM numbers(3)", columnar=True) == [(0, 1, 2), (0, 2, 4)]


@pytest.mark.parametrize("compression", [False, "lz4", "zstd"])
def test_a_million_rows_go_and_come(server: ClickHouse, table: str, compression: Any) -> None:
    client = server.client(compression=compression)
    numbers = list(range(1_000_000))
    client.execute(f"INSERT INTO {table} (a, s) VALUES", [numbers, ["x"] * len(numbers)], columnar=True)
    assert client.execute(f"SELECT a FROM {table} ORDER BY a", columnar=True) == [tuple(numbers)]
    client.disconnect()


def test_statements_without_rows_answer_nothing(client: Any) -> None:
    assert client.execute("DROP TABLE IF EXISTS nothing") == []
    assert client.execute("SET max_threads = DEFAULT") == []


# --- settings and parameters


def test_settings_hold_for_their_query_only(client: Any) -> None:
    query = "SELECT getSetting('max_block_size')"
    before = client.execute(query)
    assert client.execute(query, settings={"max_block_size": 123}) == [(123,)]
    assert client.execute(query) == before


def test_settings_are_back_at_their_defaults_after_a_query_that_failed(client: Any) -> None:
    query = "SELECT getSetting('max_block_size')"
    before = client.execute(query)
    assert code(client, "SELECT nope", settings={"max_block_size": 123}) == 47
    assert client.execute(query) == before


def test_an_unknown_setting_is_told_and_the_connection_stays_good(client: Any) -> None:
    assert code(client, "SELECT 1", settings={"no_such_setting": "1"}) == 115
    assert client.execute("SELECT 1") == [(1,)]


def test_values_are_bound_on_the_server(server: ClickHouse) -> None:
    client = server.client(settings={"server_side_params": True})
    given = {
        "x": 2**64 - 1,
        "s": "a'b\\c\n\td\x00é; DROP TABLE t",
        "d": datetime.date(2020, 1, 2),
        "l": ["a", "b'"],
    }
    query = "SELECT {x:UInt64}, {s:String}, {d:Date}, {l:Array(String)}"
    assert client.execute(query, given) == [tuple(given.values())]
    assert client.execute(f"{query} WHERE 0", given) == []
    client.disconnect()


BINDER = """
import sys, threading, clickhouse_driver
port, process = int(sys.argv[1]), int(sys.argv[2])
wrong, together = [], threading.Barrier(4)
def run(thread):
    client = clickhouse_driver.Client("127.0.0.1", port, user="writer", password="w",
                                      settings={"server_side_params": True})
    for turn in range(60):
        value = (process * 4 + thread) * 1000 + turn
        together.wait()
        rows = client.execute("SELECT {x:UInt64}, sleepEachRow(0.001), {s:String}", {"x": value, "s": f"s{value}"})
        if rows != [(value, 0, f"s{value}")]:
            wrong.append((value, rows))
threads = [threading.Thread(target=run, args=(n,)) for n in range(4)]
[t.start() for t in threads]; [t.join() for t in threads]
print("wrong:", wrong)
"""


def test_clients_at_the_same_instant_never_see_each_others_values(server: ClickHouse) -> None:
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", BINDER, str(server.port), str(n)], cwd=ROOT, stdout=subprocess.PIPE, text=True
        )
        for n in range(2)
    ]
    assert [process.communicate(timeout=60)[0].strip() for process in processes] == ["wrong: []"] * 2


def test_connections_work_side_by_side_with_settings_of_their_own(server: ClickHouse) -> None:
    def work(number: int) -> list[Any]:
        client = server.client()
        try:
            query = "SELECT getSetting('max_block_size'), count() FROM numbers(100000)"
            return [client.execute(query, settings={"max_block_size": 1000 + number}) for _ in range(10)]
        finally:
            client.disconnect()

    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(work, range(16)))
    assert answers == [[[(1000 + n, 100_000)]] * 10 for n in range(16)]


# --- errors


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("SELEC 1", 62),
        ("SELECT 1; SELECT 2", 62),
        ("SELECT * FROM nope", 60),
        ("SELECT nope", 47),
        ("SELECT * FROM nope.nope", 81),
        ("DROP TABLE nope", 60),
        ("SELECT toUInt8('x')", 6),
        ("SELECT throwIf(number = 200000, 'stop') FROM numbers(300000)", 395),
    ],
)
def test_an_error_has_its_code_and_the_connection_stays_good(client: Any, query: str, expected: int) -> None:
    assert code(client, query) == expected
    assert client.execute("SELECT 1") == [(1,)]


def test_an_insert_into_a_missing_table_or_column_is_told(client: Any, table: str) -> None:
    assert code(client, "INSERT INTO nope VALUES", params=[(1,)]) == 60
    assert code(client, f"INSERT INTO {table} (a, nope) VALUES", params=[(1, 2)]) == 16
    assert client.execute("SELECT 1") == [(1,)]


def test_a_missing_database_is_told(server: ClickHouse) -> None:
    client = server.client(database="nope")
    assert code(client, "SELECT 1") == 81
    client.disconnect()


def test_a_clients_database_is_where_its_tables_are(server: ClickHouse, client: Any) -> None:
    client.execute("CREATE DATABASE IF NOT EXISTS `an other`")
    other = server.client(database="an other")
    assert other.execute("SELECT currentDatabase()") == [("an other",)]
    other.disconnect()


@pytest.mark.parametrize("noise", [b"GET / HTTP/1.1\r\n\r\n", b"\x00", b"\xff" * 64, b"\x00\xff\xff\xff\xff\x7f" * 9])
def test_noise_ends_its_own_connection_only(server: ClickHouse, client: Any, noise: bytes) -> None:
    before = server.connections()
    with socket.create_connection(("127.0.0.1", server.port)) as stranger:
        stranger.sendall(noise)
        stranger.shutdown(socket.SHUT_WR)
        stranger.settimeout(10)
        while stranger.recv(1000):
            pass
    until(lambda: server.connections() <= before, 5, what="the connection is gone")
    assert client.execute("SELECT 1") == [(1,)]


# --- cancel


def test_a_cancelled_query_ends_and_the_connection_stays_good(server: ClickHouse, client: Any) -> None:
    rows = client.execute_iter("SELECT number FROM numbers(1000000000000)")
    assert next(rows) == (0,)
    client.cancel()
    until(lambda: running(server, "numbers(1000000000000)") == 0, 2, what="the query is gone")
    assert client.execute("SELECT 1") == [(1,)]


def running(server: ClickHouse, part: str) -> int:
    """Running queries whose text has `part`, without the one that asks."""
    asking = server.client()
    query = "SELECT count() FROM system.processes WHERE position(query, %(p)s) > 0 AND position(query, 'processes') = 0"
    ((found,),) = asking.execute(query, {"p": part})
    asking.disconnect()
    return int(found)


@pytest.mark.parametrize("user", ["writer", "reader"])
def test_the_query_of_a_client_that_goes_away_ends(server: ClickHouse, user: str) -> None:
    client = server.client(user)

    def ask() -> None:
        with pytest.raises((Error, OSError, EOFError)):
            client.execute(ENDLESS)

    asking = threading.Thread(target=ask)
    asking.start()
    until(lambda: running(server, "sipHash64(number)") == 1, 5, what="the query runs")
    client.connection.socket.shutdown(socket.SHUT_RDWR)
    until(lambda: running(server, "sipHash64(number)") == 0, 2, what="the query is gone")
    asking.join(5)
    assert not asking.is_alive()


def test_a_cancelled_query_leaves_the_others_alone(server: ClickHouse, client: Any) -> None:
    other = server.client()
    rows = client.execute_iter("SELECT number FROM numbers(1000000000000)")
    assert next(rows) == (0,)
    with ThreadPoolExecutor(1) as pool:
        slow = pool.submit(other.execute, "SELECT sum(sleepEachRow(0.2)), count() FROM numbers(8)")
        client.cancel()
        assert slow.result(20) == [(0, 8)]
    other.disconnect()


# --- inserts


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
    assert code(client, past, params=[(5, "x")], settings=settings) == 395
    assert count(client, table) == (0, 0)
    client.execute(deadline(table, now + datetime.timedelta(minutes=5)), [(5, "x")], settings=settings)
    assert count(client, table) == (1, 5)


def test_the_deadline_counts_when_all_rows_have_come(client: Any, table: str) -> None:
    moment = datetime.datetime.now(datetime.UTC) + datetime.timedelta(seconds=1)

    def rows() -> Iterator[tuple[int, str]]:
        yield 1, "in time"
        until(lambda: datetime.datetime.now(datetime.UTC) > moment, 5, what="the moment has passed")
        yield 2, "late"

    assert code(client, deadline(table, moment), params=rows(), settings={"insert_block_size": 1}) == 395
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


# --- the process


@pytest.fixture
def own(tmp_path: Path) -> Iterator[ClickHouse]:
    """A server of the test's own, which the test may end."""
    running = ClickHouse(tmp_path)
    yield running
    if running.process.poll() is None:
        running.kill()


def test_a_killed_server_starts_again_with_its_data_and_forgets_what_never_came_to_be(
    own: ClickHouse, tmp_path: Path
) -> None:
    client = own.client()
    client.execute(f"CREATE TABLE t (a UInt64, s String) {DEDUPLICATED}")
    for token in ("one", "two"):
        client.execute("INSERT INTO t (a, s) VALUES", [(1, "x")], settings={"insert_deduplication_token": token})
    (own.data / "spool" / "left").mkdir()
    (own.data / "spool" / "left" / "rows.native").write_bytes(b"half an insert")
    own.kill()
    client.disconnect()
    (log,) = own.data.glob("**/deduplication_logs/deduplication_log_1.txt")
    with log.open("a") as records:
        records.write("1\tall_3_3_0\tall_never\n")
    log_before = log.read_text()

    again = ClickHouse(tmp_path)
    try:
        assert "took out the deduplication record of part all_3_3_0" in again.log.read_text()
        assert again.spooled() == []
        assert log.read_text() == log_before.removesuffix("1\tall_3_3_0\tall_never\n")
        client = again.client()
        assert count(client, "t") == (2, 2)
        for token in ("one", "two", "three"):
            client.execute("INSERT INTO t (a, s) VALUES", [(1, "x")], settings={"insert_deduplication_token": token})
        assert count(client, "t") == (3, 3)
        client.disconnect()
    finally:
        assert again.stop() == 0


def test_a_second_server_on_the_same_data_is_refused_with_a_sentence(own: ClickHouse, tmp_path: Path) -> None:
    log = tmp_path / "second"
    second = start(own.data, own.users, log)
    assert second.wait(30) == 1
    assert log.read_text() == f"clickhouse: another process has the data directory {own.data}; stop it first\n"
    client = own.client()
    assert client.execute("SELECT 1") == [(1,)]
    client.disconnect()


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"writer": {"name": "w"}}'])
def test_a_users_file_that_is_wrong_is_told_in_a_sentence(tmp_path: Path, text: str) -> None:
    users, log = tmp_path / "users.json", tmp_path / "log"
    users.write_text(text)
    assert start(tmp_path / "data", users, log).wait(30) == 1
    assert log.read_text().startswith(f"clickhouse: {users} must hold name and password of `writer`")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_the_server_in_order(own: ClickHouse, number: signal.Signals) -> None:
    idle = own.client()
    idle.execute("SELECT 1")
    own.process.send_signal(number)
    assert own.process.wait(10) == 0
    idle.disconnect()


def test_a_signal_ends_the_server_while_a_query_runs(own: ClickHouse) -> None:
    busy = own.client()

    def ask() -> None:
        with pytest.raises((Error, OSError, EOFError)):
            busy.execute(ENDLESS)

    asking = threading.Thread(target=ask)
    asking.start()
    until(lambda: running(own, "sipHash64(number)") == 1, 5, what="the query runs")
    own.process.terminate()
    assert own.process.wait(15) == 0
    asking.join(5)
    assert not asking.is_alive()


def test_a_server_serves_no_strangers_beyond_its_address(own: ClickHouse) -> None:
    listening = [c for c in psutil.Process(own.process.pid).net_connections("tcp") if c.status == psutil.CONN_LISTEN]
    assert [(one.laddr.ip, one.laddr.port) for one in listening] == [("127.0.0.1", own.port)]
