"""Deliveries in ClickHouse: tables in `tables.sql`, named queries in `queries/`, rules in `constraints/`."""

from operator import attrgetter

from sinks.table import Table

TABLES = (
    Table(
        "deliveries",
        key="order_id",
        columns={
            "customer_id": attrgetter("customer_id"),
            "country": attrgetter("country"),
            "status": attrgetter("status"),
            "carrier": attrgetter("carrier"),
            "booked_at": attrgetter("booked_at"),
            "dispatched_at": attrgetter("dispatched_at"),
            "completed_at": attrgetter("completed_at"),
            "failed_at": attrgetter("failed_at"),
            "reason": attrgetter("reason"),
        },
    ),
)
