"""Logistics in ClickHouse: `tables.sql`, named queries in `queries/`, rules of the audit in `constraints/`."""

from collections.abc import Callable
from operator import attrgetter
from typing import Any

from sinks.table import Table


def _columns(names: str) -> dict[str, Callable[[Any], Any]]:
    return {name: attrgetter(name) for name in names.split()}


TABLES = (
    Table(
        "shipments",
        key="shipment_id",
        columns=_columns(
            "customer_id origin destination weight status site seen_at promised_at estimated_at booked_at delay scans"
            " disordered exceptions last_exception delivered_at proof"
        ),
    ),
    Table("sightings", key="sighting_id", columns=_columns("shipment_id site kind at")),
)
