"""Trading in ClickHouse: `tables.sql`, named queries in `queries/`, what must hold in `constraints/`."""

from collections.abc import Callable
from operator import attrgetter
from typing import Any

from sinks.table import Table


def _columns(names: str) -> dict[str, Callable[[Any], Any]]:
    return {name: attrgetter(name) for name in names.split()}


TABLES = (
    Table(
        "instruments",
        key="instrument_id",
        columns=_columns("currency decimals listed_at orders trades volume turnover last_price last_at"),
    ),
    Table(
        "orders",
        key="order_key",
        columns=_columns(
            "instrument_id order_id trader_id side kind price status quantity open filled cancelled turnover placed_at"
            " changed_at"
        ),
    ),
    Table(
        "positions",
        key="position_key",
        columns=_columns("instrument_id trader_id quantity cost realised bought sold fills changed_at"),
    ),
)
