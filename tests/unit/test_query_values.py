"""Values from outside: what they are bound as, and that a bad one is refused by its field's name."""

import pytest

from schemas import Invalid
from sinks.query.values import checked

INSTANT = "DateTime64(6, 'UTC')"
MONEY = "Decimal(18, 2)"


@pytest.mark.parametrize(
    ("spelling", "text", "bound"),
    [
        ("UInt64", "18446744073709551615", "18446744073709551615"),
        ("Int8", "-128", "-128"),
        (MONEY, "10", "10.00"),
        (MONEY, "1E+3", "1000.00"),
        (MONEY, "-0.10", "-0.10"),
        (MONEY, "9999999999999999.99", "9999999999999999.99"),
        (INSTANT, "2025-01-01T00:00:00+02:00", "1735682400000000"),
        (INSTANT, "2025-01-01T00:00:00.000001Z", "1735689600000001"),
        (INSTANT, "2025-01-01", "1735689600000000"),
        (INSTANT, "1969-12-31T23:59:58.5Z", "-1500000"),
        ("Date32", "1998-07-01", "1998-07-01"),
        ("Float64", "1e3", "1000.0"),
        ("Bool", "true", "true"),
        ("String", "'; DROP TABLE orders; --\x00", "'; DROP TABLE orders; --\x00"),
    ],
)
def test_a_value_is_bound_exactly(spelling: str, text: str, bound: str) -> None:
    assert checked(text, spelling, "f") == bound


@pytest.mark.parametrize(
    ("spelling", "text"),
    [
        ("UInt64", "18446744073709551616"),
        ("UInt64", "-1"),
        ("UInt64", "1e3"),
        ("UInt64", ""),
        ("UInt64", "٣"),
        ("UInt64", "9" * 5_000),
        ("Int8", "128"),
        (MONEY, "10.005"),
        (MONEY, "10000000000000000"),
        (MONEY, "NaN"),
        (MONEY, "Infinity"),
        (MONEY, "ten"),
        (INSTANT, "yesterday"),
        (INSTANT, "2025-13-01"),
        (INSTANT, "now()"),
        ("Date32", "2025-02-30"),
        ("Float64", "x"),
        ("Bool", "1"),
        ("UUID", "x"),
    ],
)
def test_a_value_that_would_be_altered_or_is_none_is_refused_by_name(spelling: str, text: str) -> None:
    with pytest.raises(Invalid) as refused:
        checked(text, spelling, "total__gte")
    assert (refused.value.rule, refused.value.field) == ("invalid-value", "total__gte")
    assert refused.value.detail.startswith("total__gte must be ")
    assert len(refused.value.detail) < 300
