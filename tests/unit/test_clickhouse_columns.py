"""Types as ClickHouse spells them, and how many bytes their columns take."""

import pytest

from infra.clickhouse.columns import column
from infra.clickhouse.errors import Disconnected, ServerError
from infra.clickhouse.source import Source, binary, text, varint


def passed(spelling: str, data: bytes, rows: int) -> int:
    """Bytes of `data` that a column of `rows` takes, fed a byte at a time."""
    left = list(data)
    source = Source(lambda: bytes([left.pop(0)]) if left else b"")
    walked = column(spelling)
    walked.prefix(source)
    walked.data(source, rows)
    return source.position


def number(*values: int) -> bytes:
    return b"".join(value.to_bytes(8, "little") for value in values)


LOW = number(1) + number(0x600) + number(2) + text("") + text("a" * 200) + number(3) + b"\x00\x01\x01"


@pytest.mark.parametrize(
    ("spelling", "rows", "data"),
    [
        ("UInt8", 3, bytes(3)),
        ("Int256", 2, bytes(64)),
        ("DateTime('Europe/Berlin')", 2, bytes(8)),
        ("DateTime64(6, 'UTC')", 2, bytes(16)),
        ("FixedString(5)", 2, bytes(10)),
        *[(f"Decimal({digits}, 1)", 1, bytes(width)) for digits, width in ((9, 4), (10, 8), (19, 16), (39, 32))],
        ("Decimal32(2)", 1, bytes(4)),
        ("Decimal256(2)", 1, bytes(32)),
        ("IntervalDay", 1, bytes(8)),
        ("Enum8('a, (b' = 1, 'it\\'s)' = 2)", 2, bytes(2)),
        ("String", 3, text("") + text("a" * 127) + text("b" * 20_000)),
        ("Nullable(UInt16)", 2, bytes(2 + 4)),
        ("Array(String)", 2, number(1, 3) + text("a") * 3),
        ("Array(Array(UInt8))", 2, number(1, 3) + number(2, 2, 4) + bytes(4)),
        ("Map(String, UInt8)", 1, number(2) + text("k") * 2 + bytes(2)),
        ("Tuple(a Int8, `b ) \\` c` String)", 1, b"\x01" + text("x")),
        ("Tuple(Int8, DateTime64(3, 'UTC'))", 1, bytes(9)),
        ("Tuple()", 2, b""),
        ("Nested(a Int8, b String)", 1, number(2) + bytes(2) + text("x") * 2),
        ("LowCardinality(String)", 3, LOW),
        ("LowCardinality(Nullable(String))", 3, LOW),
        ("Array(LowCardinality(String))", 1, number(1) + number(3) + LOW[8:]),
        ("Array(LowCardinality(String))", 1, number(1) + number(0)),
        ("SimpleAggregateFunction(sum, UInt64)", 2, bytes(16)),
        ("SimpleAggregateFunction(anyLast, Nullable(String))", 1, b"\x00" + text("x")),
        ("Point", 1, bytes(16)),
        ("Polygon", 1, number(1) + number(2) + bytes(32)),
        ("JSON", 1, number(1) + text('{"a":1}')),
        ("JSON(max_dynamic_paths = 8, a Int8)", 1, number(1) + text("{}")),
    ],
)
def test_a_column_takes_exactly_its_bytes(spelling: str, rows: int, data: bytes) -> None:
    assert passed(spelling, data + b"what follows", rows) == len(data)


@pytest.mark.parametrize("spelling", ["String", "UInt64", "Array(String)", "LowCardinality(String)"])
def test_a_column_that_is_cut_short_is_told(spelling: str) -> None:
    with pytest.raises(Disconnected):
        passed(spelling, LOW[:20], 30)


@pytest.mark.parametrize("spelling", ["AggregateFunction(sum, UInt8)", "Variant(Int8, String)", "Dynamic", "What(3)"])
def test_a_type_that_is_not_supported_is_named(spelling: str) -> None:
    with pytest.raises(ServerError, match="not supported") as raised:
        column(spelling)
    assert spelling in raised.value.detail
    assert raised.value.code == 48


@pytest.mark.parametrize("value", [0, 1, 127, 128, 300, 2**32, 2**64 - 1])
def test_a_varint_comes_back(value: int) -> None:
    source = Source(lambda: b"", varint(value))
    assert source.varint() == value
    assert source.position == len(source.data)


def test_bytes_that_were_passed_can_be_forgotten() -> None:
    source = Source(lambda: b"", binary(b"first") + text("second"))
    assert source.binary() == b"first"
    source.cut()
    assert source.text() == "second"
