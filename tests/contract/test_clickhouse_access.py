"""Who gets in, and what the reader cannot do whatever it sends."""

import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import clickhouse_driver
import pytest
from clickhouse_driver.errors import ServerException

from tests.contract.clickhouse_server import ClickHouse

SECRET = "nobody may read this"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ClickHouse]:
    running = ClickHouse(tmp_path_factory.mktemp("clickhouse"))
    writer = running.client()
    writer.execute("CREATE TABLE t (a UInt64, file String) ENGINE = MergeTree ORDER BY a")
    writer.execute("INSERT INTO t (a, file) VALUES", [(1, "x"), (2, "y")])
    writer.disconnect()
    yield running
    running.stop()


@pytest.fixture(scope="module")
def secret(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file on the server's host."""
    file = tmp_path_factory.mktemp("host") / "secret.csv"
    file.write_text(SECRET + "\n")
    return file


@pytest.fixture
def reader(server: ClickHouse) -> Iterator[Any]:
    connected = server.client("reader", send_receive_timeout=10)
    yield connected
    connected.disconnect()


@pytest.fixture
def writer(server: ClickHouse) -> Iterator[Any]:
    connected = server.client()
    yield connected
    connected.disconnect()


def outcome(client: Any, query: str, **more: Any) -> Any:
    """Rows of a query, or the code of its error."""
    try:
        return client.execute(query, **more)
    except ServerException as error:
        return error.code


@pytest.mark.parametrize(
    ("query", "answer"),
    [
        ("SELECT count() FROM t", [(2,)]),
        ("/* first */ -- second\n SELECT a FROM t WHERE a = 2", [(2,)]),
        ("WITH 5 AS x SELECT x", [(5,)]),
        ("(SELECT 1)", [(1,)]),
        ("SELECT 1 UNION ALL SELECT 1", [(1,), (1,)]),
        ("SELECT max(file) FROM t", [("y",)]),
        ("SELECT 'file(\\'a\\')' AS file", [("file('a')",)]),
        ("SELECT number FROM numbers(2)", [(0,), (1,)]),
        ("SHOW TABLES", [("t",)]),
        ("EXISTS TABLE t", [(1,)]),
        ("SELECT getSetting('readonly')", [(1,)]),
        ("SELECT 1;", [(1,)]),
        ("SELECT 'a;b\\n' ; -- last", [("a;b\n",)]),
        ("DESCRIBE (SELECT 1 AS x)", [("x", "UInt8", "", "", "", "", "")]),
        ("EXPLAIN SYNTAX SELECT 1", [("SELECT 1\nFROM system.one",)]),
        ("SELECT 1 SETTINGS max_block_size = 10", 164),
    ],
)
def test_the_reader_reads(reader: Any, query: str, answer: Any) -> None:
    assert outcome(reader, query) == answer


@pytest.mark.parametrize(
    "query",
    [
        "DROP TABLE t",
        "/* x */ DROP TABLE t",
        "-- x\nDROP TABLE t",
        "# x\nDROP TABLE t",
        "TRUNCATE TABLE t",
        "ALTER TABLE t DELETE WHERE 1",
        "DELETE FROM t WHERE 1",
        "UPDATE t SET file = 'z' WHERE 1",
        "OPTIMIZE TABLE t FINAL",
        "RENAME TABLE t TO u",
        "DETACH TABLE t",
        "CREATE TABLE u (a UInt8) ENGINE = Memory",
        "CREATE TEMPORARY TABLE u (a UInt8)",
        "CREATE DATABASE d",
        "CREATE FUNCTION f AS x -> x",
        "CREATE USER u",
        "GRANT ALL ON *.* TO reader",
        "INSERT INTO t SELECT 3, 'z'",
        "INSERT INTO t VALUES (3, 'z')",
        "INSERT INTO FUNCTION file('out.csv') SELECT 1",
        "WITH 1 AS x INSERT INTO t SELECT x, 'z'",
        "(INSERT INTO t SELECT 3, 'z')",
        "EXPLAIN INSERT INTO t SELECT 3, 'z'",
        "SELECT 1; DROP TABLE t",
        "SELECT 'file'; DROP TABLE t",
        "SELECT '\\\\'; DROP TABLE t",
        "SHOW TABLES; SELECT 1",
        "EXPLAIN AST SELECT 1; SELECT 1",
        "DESCRIBE t; DROP TABLE t",
        "SELECT 'file'; INSERT INTO t SELECT 3, 'z'",
        "SET readonly = 0",
        "SELECT 1 SETTINGS readonly = 0",
        "SELECT 1 SETTINGS max_execution_time = 0",
        "EXPLAIN SETTINGS readonly = 0 SELECT 1",
        "USE system",
        "SYSTEM FLUSH LOGS",
        "SYSTEM SHUTDOWN",
        "SYSTEM STOP MERGES",
        "KILL QUERY WHERE 1",
        "BACKUP TABLE t TO Disk('default', 'b')",
        "BACKUP TABLE t TO File('/tmp/b')",
        "RESTORE TABLE t FROM File('/tmp/b')",
        "ATTACH TABLE u (a UInt8) ENGINE = Memory",
        "EXCHANGE TABLES t AND u",
        "COPY t TO 'x'",
        "BEGIN TRANSACTION",
        "",
        "SELEC 1",
    ],
)
def test_the_reader_changes_nothing(reader: Any, writer: Any, query: str) -> None:
    assert isinstance(outcome(reader, query), int)
    assert writer.execute("SELECT a, file FROM t ORDER BY a") == [(1, "x"), (2, "y")]
    assert writer.execute("SHOW TABLES") == [("t",)]
    assert outcome(reader, "SELECT getSetting('readonly')") == [(1,)]


@pytest.mark.parametrize(
    "query",
    [
        "SELECT file('{}')",
        "SELECT FILE('{}')",
        "SELECT `file`('{}')",
        "SELECT `\\x66ile`('{}')",
        "SELECT \"fi\\x6ce\"('{}')",
        "SELECT fi/**/le('{}')",
        "SELECT arrayMap(x -> file(x), ['{}'])",
        "SELECT * FROM (SELECT file('{}'))",
        "WITH (SELECT file('{}')) AS x SELECT x",
        "SHOW TABLES; SELECT file('{}')",
        "EXPLAIN AST SELECT 1; SELECT file('{}')",
        "SELECT * FROM file('{}', 'LineAsString')",
        "SELECT * FROM file('{}', 'LineAsString', 'line String')",
        "SELECT * FROM fileCluster('default', '{}', 'LineAsString')",
        "SELECT * FROM filesystem('{}')",
        "SELECT * FROM view(SELECT file('{}'))",
        "SELECT * FROM '{}'",
        'SELECT * FROM "{}"',
        "SELECT * FROM `{}`",
        "SELECT * FROM default.`{}`",
        "DESCRIBE file('{}', 'CSV')",
        "DESCRIBE TABLE file('{}')",
        "DESCRIBE `{}`",
        "DESCRIBE (SELECT file('{}'))",
        "EXPLAIN SELECT file('{}')",
        "EXPLAIN SYNTAX SELECT file('{}')",
        "EXPLAIN QUERY TREE SELECT file('{}')",
        "EXPLAIN PLAN SELECT * FROM file('{}', 'LineAsString')",
        "SHOW CREATE TABLE file('{}')",
        "SELECT 1 IN file('{}', 'LineAsString')",
        "SELECT 1 WHERE '' IN (SELECT * FROM file('{}', 'LineAsString'))",
        "SELECT * FROM url('file://{}', 'LineAsString')",
        "SELECT * FROM loop(file('{}', 'LineAsString'))",
        "SELECT * FROM remote('127.0.0.1', file('{}', 'LineAsString'))",
        "SELECT * FROM remote('127.0.0.1', view(SELECT file('{}')))",
        "SELECT * FROM cluster('default', file('{}', 'LineAsString'))",
        "SELECT * FROM executable('cat {}', 'LineAsString', 'x String')",
        "SELECT * FROM sqlite('{}', 't')",
        "SELECT * FROM icebergLocal('{}')",
        "SELECT * FROM deltaLakeLocal('{}')",
        "SELECT * FROM python('{}')",
        "SELECT * FROM Python(open('{}'))",
        "SELECT catboostEvaluate('{}', 1)",
        "SELECT * FROM t INTO OUTFILE '{}' TRUNCATE",
        "SELECT * FROM t INTO/**/OUTFILE '{}' APPEND",
        "INSERT INTO t FROM INFILE '{}' FORMAT CSV",
        "CREATE DICTIONARY d (a String) PRIMARY KEY a SOURCE(FILE(path '{}' format 'CSV')) LIFETIME(0) LAYOUT(FLAT())",
        "SELECT * FROM dictionary('{}')",
        "SELECT * FROM disk('{}')",
        "SHOW CREATE TABLE '{}'",
        "EXISTS TABLE file('{}')",
    ],
)
def test_the_reader_does_not_reach_the_hosts_files(reader: Any, secret: Path, query: str) -> None:
    answer = outcome(reader, query.replace("{}", str(secret)))
    assert SECRET not in str(answer)
    assert isinstance(answer, int), answer
    assert secret.read_text() == SECRET + "\n"


@pytest.mark.parametrize(
    "query",
    [
        "SELECT * FROM url('http://127.0.0.1:{}/', 'LineAsString')",
        "SELECT * FROM url('http://127.0.0.1:{}/', 'LineAsString', 'x String')",
        "DESCRIBE url('http://127.0.0.1:{}/')",
        "DESCRIBE TABLE url('http://127.0.0.1:{}/', 'CSV')",
        "DESCRIBE remote('127.0.0.1:{}', system.one)",
        "DESCRIBE mysql('127.0.0.1:{}', 'd', 't', 'u', 'p')",
        "DESCRIBE loop(url('http://127.0.0.1:{}/'))",
        "DESCRIBE (SELECT * FROM url('http://127.0.0.1:{}/'))",
        "DESC /* x */ TABLE (( url('http://127.0.0.1:{}/')))",
        "EXPLAIN SELECT * FROM url('http://127.0.0.1:{}/', 'CSV')",
        "SELECT * FROM s3('http://127.0.0.1:{}/b/c', 'CSV')",
        "SELECT * FROM remote('127.0.0.1:{}', system.one)",
        "SELECT * FROM remote('127.0.0.1:{}', 'system', 'one', 'writer', 'w')",
        "SELECT * FROM mysql('127.0.0.1:{}', 'd', 't', 'u', 'p')",
        "SELECT * FROM postgresql('127.0.0.1:{}', 'd', 't', 'u', 'p')",
        "SELECT * FROM mongodb('127.0.0.1:{}', 'd', 't', 'u', 'p', 'x String')",
        "SELECT * FROM redis('127.0.0.1:{}', 'k', 'k String, v String')",
    ],
)
def test_the_reader_makes_the_server_connect_nowhere(reader: Any, query: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.setblocking(False)
        answer = outcome(reader, query.replace("{}", str(listener.getsockname()[1])))
        with pytest.raises(BlockingIOError):
            listener.accept()
    assert isinstance(answer, int), answer


@pytest.mark.parametrize("name", ["t", "file('/etc/hostname')"])
def test_bound_parameters_do_not_open_a_way_around(server: ClickHouse, secret: Path, name: str) -> None:
    reader = server.client("reader", settings={"server_side_params": True})
    bound = {"x": str(secret) if name == "t" else name}
    for query in ("SELECT * FROM {x:Identifier}", "SELECT file({x:String})", "SELECT * FROM file({x:String})"):
        answer = outcome(reader, query, params=bound)
        assert isinstance(answer, int), answer
    reader.disconnect()


@pytest.mark.parametrize(
    "settings",
    [
        {"readonly": 0},
        {"readonly": 2},
        {"allow_ddl": 1},
        {"max_execution_time": 0},
        {"max_execution_time": 31},
        {"max_memory_usage": 0},
        {"max_result_rows": 0},
        {"max_threads": 64},
        {"user_files_path": "/"},
        {"log_comment": "x"},
        {"allow_introspection_functions": 1},
        {"additional_table_filters": "{'t': '1'}"},
    ],
    ids=str,
)
def test_the_reader_loosens_no_setting(reader: Any, settings: dict[str, Any]) -> None:
    assert outcome(reader, "SELECT 1", settings=settings) == 164
    assert outcome(reader, "SELECT 1") == [(1,)]


def test_the_reader_tightens_a_limit(reader: Any) -> None:
    tighter = {"max_execution_time": 5, "max_result_rows": 3}
    query = "SELECT getSetting('max_execution_time')"
    assert outcome(reader, query, settings=tighter) == [(5,)]
    assert outcome(reader, query) == [(30,)]
    assert outcome(reader, "SELECT number FROM numbers(5)", settings=tighter) == 396


def test_a_reader_keeps_nothing_from_one_query_to_the_next(reader: Any) -> None:
    assert outcome(reader, "SELECT getSetting('final')", settings={"final": 1}) == [(True,)]
    assert outcome(reader, "SELECT getSetting('final')") == [(False,)]


@pytest.mark.parametrize(
    ("user", "password"),
    [("writer", "r"), ("writer", ""), ("reader", "w"), ("nobody", "w"), ("default", ""), ("", ""), ("writer", "ü")],
)
def test_a_wrong_name_or_password_does_not_get_in(server: ClickHouse, user: str, password: str) -> None:
    client = clickhouse_driver.Client("127.0.0.1", server.port, user=user, password=password)
    assert outcome(client, "SELECT 1") == 516
    client.disconnect()


def test_bound_parameters_stand_beside_an_escaped_quote(server: ClickHouse) -> None:
    reader = server.client("reader", settings={"server_side_params": True})
    assert reader.execute("SELECT 'it\\'s', {x:UInt64}", {"x": 5}) == [("it's", 5)]
    reader.disconnect()
