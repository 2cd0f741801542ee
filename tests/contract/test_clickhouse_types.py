"""Every type goes from a client to the server's tables and back as it was."""

import datetime
import ipaddress
import uuid
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest

from tests.contract.clickhouse_server import ClickHouse

UTC = datetime.UTC
VALUES: list[tuple[str, Any]] = [
    *[(f"UInt{bits}", 2**bits - 1) for bits in (8, 16, 32, 64, 128, 256)],
    *[(f"Int{bits}", -(2 ** (bits - 1))) for bits in (8, 16, 32, 64, 128, 256)],
    ("Float32", 1.5),
    ("Float64", 0.1),
    ("Bool", True),
    ("String", ""),
    ("String", "é'\\\n\t\x00" + "y" * 300),
    ("FixedString(3)", "abc"),
    ("Decimal(9, 2)", Decimal("-1.25")),
    ("Decimal(18, 4)", Decimal("1.2500")),
    ("Decimal(38, 2)", Decimal("12345678901234567890.25")),
    ("Decimal(70, 2)", Decimal("1.25")),
    ("Date", datetime.date(2020, 1, 1)),
    ("Date32", datetime.date(1950, 1, 1)),
    ("DateTime", datetime.datetime(2020, 1, 1, 5)),
    ("Array(DateTime('UTC'))", [datetime.datetime(2020, 1, 1, tzinfo=UTC)]),
    ("DateTime64(3, 'UTC')", datetime.datetime(2020, 1, 1, 1, 2, 3, 456000, tzinfo=UTC)),
    ("DateTime64(6, 'UTC')", datetime.datetime(2020, 1, 1, 1, 2, 3, 456, tzinfo=UTC)),
    ("UUID", uuid.UUID("0190aaaa-bbbb-7ccc-8ddd-eeeeffff0001")),
    ("IPv4", ipaddress.ip_address("1.2.3.4")),
    ("IPv6", ipaddress.ip_address("2001:db8::1")),
    ("Enum8('a' = 1, 'b, (x' = 2, 'it\\'s )' = -3)", "b, (x"),
    ("Enum16('a' = 1, 'ä' = 1000)", "ä"),
    ("LowCardinality(String)", "often"),
    ("LowCardinality(FixedString(2))", "ab"),
    ("LowCardinality(Nullable(String))", None),
    ("LowCardinality(Nullable(String))", "x"),
    ("Nullable(Int64)", None),
    ("Nullable(Int64)", -7),
    ("Nullable(Decimal(18, 2))", Decimal("2.50")),
    ("Nullable(DateTime64(3, 'UTC'))", None),
    ("Array(UInt8)", []),
    ("Array(Nullable(String))", ["x", None]),
    ("Array(Array(LowCardinality(String)))", [["a", "b", "a"], []]),
    ("Array(LowCardinality(Nullable(String)))", ["a", None]),
    ("Array(Tuple(Int8, Nullable(String)))", [(1, None), (2, "z")]),
    ("Tuple(a Int8, `b c` String)", (1, "x")),
    ("Tuple(LowCardinality(String), LowCardinality(String))", ("p", "q")),
    ("Map(String, Decimal(18, 2))", {"a": Decimal("2.50")}),
    ("Map(LowCardinality(String), Array(UInt8))", {"k": [1, 2], "l": []}),
    ("SimpleAggregateFunction(sum, UInt64)", 5),
]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ClickHouse]:
    running = ClickHouse(tmp_path_factory.mktemp("clickhouse"))
    yield running
    running.stop()


@pytest.fixture(params=[False, "lz4", "zstd"], ids=["plain", "lz4", "zstd"])
def client(server: ClickHouse, request: pytest.FixtureRequest) -> Iterator[Any]:
    connected = server.client(compression=request.param)
    yield connected
    connected.disconnect()


@pytest.mark.parametrize(("spelling", "value"), VALUES, ids=[f"{s}-{i}" for i, (s, _) in enumerate(VALUES)])
def test_a_value_comes_back_as_it_was_sent(client: Any, spelling: str, value: Any) -> None:
    client.execute("DROP TABLE IF EXISTS t")
    client.execute(f"CREATE TABLE t (i UInt8, x {spelling}, last String) ENGINE = MergeTree ORDER BY i")
    client.execute("INSERT INTO t (i, x, last) VALUES", [(1, value, "end"), (2, value, "")])
    rows, columns = client.execute("SELECT i, x, last FROM t ORDER BY i", with_column_types=True)
    assert rows == [(1, value, "end"), (2, value, "")]
    # A result without rows has the same columns.
    assert client.execute("SELECT i, x, last FROM t WHERE i > 2", with_column_types=True) == ([], columns)


def test_a_date_time_with_a_zone_comes_as_the_same_instant_in_utc_without_its_zone(client: Any) -> None:
    # The engine's Native format leaves out the zone of a column that is a DateTime itself.
    instant = datetime.datetime(2020, 1, 1, 12, tzinfo=UTC)
    client.execute("DROP TABLE IF EXISTS z")
    client.execute("CREATE TABLE z (x DateTime('Asia/Tokyo')) ENGINE = MergeTree ORDER BY x")
    client.execute("INSERT INTO z (x) VALUES", [(instant,)])
    assert client.execute("SELECT x, toUnixTimestamp(x) FROM z") == [(instant.replace(tzinfo=None), 1577880000)]


def test_json_goes_and_comes_as_text(client: Any) -> None:
    client.execute("DROP TABLE IF EXISTS j")
    client.execute("CREATE TABLE j (x JSON, y String) ENGINE = MergeTree ORDER BY y")
    client.execute("INSERT INTO j (x, y) VALUES", [('{"a":"b"}', "1")])
    assert client.execute("SELECT x.a::String, y FROM j") == [("b", "1")]
    assert client.execute("SELECT toString(x) FROM j") == [('{"a":"b"}',)]


def test_a_nested_column_is_its_arrays(client: Any) -> None:
    client.execute("DROP TABLE IF EXISTS n")
    client.execute("CREATE TABLE n (i UInt8, x Nested(a Int8, b String)) ENGINE = MergeTree ORDER BY i")
    client.execute("INSERT INTO n (i, x.a, x.b) VALUES", [(1, [1, 2], ["p", "q"])])
    assert client.execute("SELECT x.a, x.b FROM n") == [([1, 2], ["p", "q"])]


def test_a_literal_null_has_a_type_and_a_value(client: Any) -> None:
    assert client.execute("SELECT NULL, [], 1") == [(None, [], 1)]


def test_a_type_that_is_not_supported_is_named_and_the_connection_stays_good(client: Any) -> None:
    with pytest.raises(Exception, match="not supported here; convert"):
        client.execute("SELECT sumState(1)")
    assert client.execute("SELECT 1") == [(1,)]


def test_a_result_of_many_blocks_comes_whole_and_in_order(client: Any) -> None:
    rows = client.execute("SELECT number, toString(number) FROM numbers(300000)")
    assert rows == [(n, str(n)) for n in range(300_000)]
