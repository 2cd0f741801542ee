"""Values on their way to columns: exact, or refused by name before anything is announced."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from sinks.fitting import Misfit, fitted

INSTANT = "DateTime64(6, 'UTC')"
MONEY = "Decimal(18, 2)"


def _fit(spelling: str, *values: Any) -> list[Any]:
    [column] = fitted({"c": spelling}, [values])
    return column


def _refused(spelling: str, value: Any) -> bool:
    with pytest.raises(Misfit, match=r"^column c: ."):
        fitted({"c": spelling}, [(value,)])
    return True


@pytest.mark.parametrize(
    "instant",
    [
        datetime(1900, 1, 1, 0, 0, 0, 1, tzinfo=UTC),
        datetime(1969, 12, 31, 23, 59, 58, 500_000, tzinfo=UTC),
        datetime(2026, 2, 28, 12, 0, 0, 999_999, tzinfo=UTC),
        datetime(2299, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC),
    ],
)
def test_instants_are_exact_to_the_microsecond_on_both_sides_of_1970(instant: datetime) -> None:
    [ticks] = _fit(INSTANT, instant)
    assert datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=ticks) == instant


def test_an_instant_of_a_coarser_column_is_cut_towards_the_past() -> None:
    assert _fit("DateTime64(3, 'UTC')", datetime(1969, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC)) == [-1]


def test_money_keeps_its_amount() -> None:
    assert _fit(MONEY, Decimal("1E+3"), Decimal("0.1"), 7) == [Decimal("1000.00"), Decimal("0.10"), Decimal("7.00")]


@pytest.mark.parametrize("amount", ["1.005", "10000000000000000", "-10000000000000000", "NaN", "Infinity"])
def test_money_that_would_be_altered_is_refused(amount: str) -> None:
    assert _refused(MONEY, Decimal(amount))


@pytest.mark.parametrize(
    ("spelling", "value"),
    [
        ("UInt64", -1),
        ("UInt64", 2**64),
        ("Int8", 128),
        ("UInt8", 1.5),
        ("UInt8", "1"),
        ("UInt8", None),
        ("String", 1),
        ("String", None),
        ("LowCardinality(String)", None),
        (INSTANT, None),
        (INSTANT, datetime(2026, 1, 1)),  # without a zone it is no instant
        (INSTANT, "2026-01-01"),
        (MONEY, 0.1),
        ("Array(UInt8)", [1, 256]),
        ("Map(String, Decimal(18, 2))", {"USD": Decimal("0.001")}),
        ("Map(String, Decimal(18, 2))", {1: Decimal("0.01")}),
        ("Nullable(UInt8)", 256),
    ],
)
def test_what_does_not_fit_its_column_is_refused(spelling: str, value: Any) -> None:
    assert _refused(spelling, value)


def test_values_inside_others_are_made_exact_too() -> None:
    ticks = 1_500_000
    instant = datetime(1970, 1, 1, 0, 0, 1, 500_000, tzinfo=UTC)
    assert _fit(f"Nullable({INSTANT})", None, instant, None) == [None, ticks, None]
    assert _fit(f"Array({INSTANT})", [instant], []) == [[ticks], []]
    assert _fit(f"Map(LowCardinality(String), Nullable({MONEY}))", {"USD": Decimal(1), "EUR": None}, {}) == [
        {"USD": Decimal("1.00"), "EUR": None},
        {},
    ]


def test_the_column_of_a_value_that_does_not_fit_is_named() -> None:
    with pytest.raises(Misfit, match="column total: "):
        fitted({"n": "UInt8", "total": MONEY}, [[1, 2], [Decimal(1), Decimal("3.001")]])
