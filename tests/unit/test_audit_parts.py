"""What the audit compares with: spellings of rows, ranges that differ."""

from datetime import UTC, datetime
from decimal import Decimal

import clickhouse_driver
import pytest

from infra.audit.digests import LEAF, Sum, Sums, suspects
from infra.audit.texts import text_of
from sinks.fitting import fitted

AT = datetime(1969, 12, 31, 23, 59, 59, 123456, tzinfo=UTC)
SPELLED = [
    ("String", "a: 'b'\n\u0001ü"),
    ("LowCardinality(String)", "USD"),
    ("UInt64", 2**64 - 1),
    ("Int32", -5),
    ("Bool", True),
    ("Decimal(18, 2)", Decimal("10.00")),
    ("Decimal(38, 2)", Decimal("-0.50")),
    ("Decimal(18, 2)", Decimal("1200")),
    ("DateTime64(6, 'UTC')", AT),
    ("Nullable(DateTime64(6, 'UTC'))", None),
    ("Nullable(Decimal(18, 2))", Decimal("-1.50")),
    ("Array(Nullable(String))", ["a", None, ""]),
    ("Map(String, Decimal(18, 2))", {"b": Decimal("2.50"), "a": Decimal(1)}),
    ("Float64", -0.1),
]


@pytest.mark.parametrize(("spelling", "value"), SPELLED)
def test_clickhouse_spells_a_value_as_we_do(clickhouse: str, spelling: str, value: object) -> None:
    text = text_of(spelling)
    assert text is not None
    [[sent]] = fitted({"x": spelling}, [[value]])
    client = clickhouse_driver.Client.from_url(clickhouse)
    try:
        client.execute("DROP DATABASE IF EXISTS spelled SYNC")
        client.execute("CREATE DATABASE spelled")
        client.execute(f"CREATE TABLE spelled.one (x {spelling}) ENGINE = Memory")
        client.execute("INSERT INTO spelled.one VALUES", [[sent]], columnar=True)
        [(found,)] = client.execute(f"SELECT {text.sql('x')} FROM spelled.one")
    finally:
        client.execute("DROP DATABASE spelled SYNC")
        client.disconnect()
    assert found.encode() == text.of(sent)


def test_a_type_without_a_spelling_is_not_compared() -> None:
    assert text_of("Tuple(String, UInt8)") is None
    assert text_of("Array(JSON)") is None


def sums(**changed: int) -> Sums:
    made = Sums({leaf: Sum(LEAF, LEAF, leaf + 5, leaf + 7) for leaf in range(4)})
    for name, value in changed.items():
        setattr(made[2], name, value)
    return made


@pytest.mark.parametrize("change", [{"count": 1}, {"distinct": 1}, {"content": 1}, {"second": 1}, {}])
def test_ranges_that_differ_are_looked_into(change: dict[str, int]) -> None:
    whole = (0, 4 * LEAF - 1)
    assert list(suspects(sums(), sums(**change), *whole, whole)) == ([2] if change else [])


def test_a_range_of_which_a_hop_has_only_a_part_is_looked_into() -> None:
    whole = (0, 4 * LEAF - 1)
    assert list(suspects(sums(), sums(), LEAF + 3, 3 * LEAF, whole)) == [1, 3]
    assert list(suspects(sums(), sums(), LEAF - 1, 3 * LEAF - 1, whole)) == []
    assert list(suspects(sums(), sums(), 5, 5, whole)) == []
