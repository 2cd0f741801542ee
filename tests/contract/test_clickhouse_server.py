"""What a client of the ClickHouse server can count on: results, settings, errors, cancelling."""

import datetime
import socket
import subprocess
import sys
import threading
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from clickhouse_driver.errors import Error

from tests.architecture.source import ROOT
from tests.contract.clickhouse_server import DEDUPLICATED, ENDLESS, ClickHouse, error_code, running
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
    assert error_code(client, "SELECT nope", settings={"max_block_size": 123}) == 47
    assert client.execute(query) == before


def test_an_unknown_setting_is_told_and_the_connection_stays_good(client: Any) -> None:
    assert error_code(client, "SELECT 1", settings={"no_such_setting": "1"}) == 115
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
    assert error_code(client, query) == expected
    assert client.execute("SELECT 1") == [(1,)]


def test_an_insert_into_a_missing_table_or_column_is_told(client: Any, table: str) -> None:
    assert error_code(client, "INSERT INTO nope VALUES", params=[(1,)]) == 60
    assert error_code(client, f"INSERT INTO {table} (a, nope) VALUES", params=[(1, 2)]) == 16
    assert client.execute("SELECT 1") == [(1,)]


def test_a_missing_database_is_told(server: ClickHouse) -> None:
    client = server.client(database="nope")
    assert error_code(client, "SELECT 1") == 81
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
