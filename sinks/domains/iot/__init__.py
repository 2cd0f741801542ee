"""Sensors in ClickHouse, values in their units: `tables.sql`, named queries in `queries/`, rules in `constraints/`."""

from collections.abc import Callable
from decimal import Decimal
from operator import attrgetter
from typing import Any

from schemas.iot import Span, mean, percentile
from sinks.table import Table


def _columns(names: str) -> dict[str, Callable[[Any], Any]]:
    return {name: attrgetter(name) for name in names.split()}


def _in_units(name: str) -> Callable[[Any], Decimal | None]:
    get = attrgetter(name)

    def column(value: Any) -> Decimal | None:
        thousandths = get(value)
        return None if thousandths is None else Decimal(thousandths).scaleb(-3)

    return column


def _percentile(percent: int) -> Callable[[Span], Decimal]:
    return lambda span: Decimal(percentile(span, percent)).scaleb(-3)


_SPAN: dict[str, Callable[[Any], Any]] = {
    **_columns("sensor_id measure start readings anomalies late final"),
    **{name: _in_units(name) for name in ("lowest", "highest", "total")},
    "mean": lambda span: Decimal(mean(span)).scaleb(-3),
    **{f"p{percent}": _percentile(percent) for percent in (10, 50, 90, 99)},
}
TABLES = (
    Table(
        "sensors",
        key="sensor_id",
        columns={
            **_columns("site kind measure unit installed_at readings rejected anomalies last_at retired_at"),
            "every_seconds": attrgetter("interval"),
            **{name: _in_units(name) for name in ("total", "last_value")},
        },
    ),
    Table("hourly", key="span", columns=_SPAN),
    Table("daily", key="span", columns=_SPAN),
)
