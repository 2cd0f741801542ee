"""Payments in ClickHouse: tables in `tables.sql`, named queries in `queries/`, rules in `constraints/`."""

from operator import attrgetter

from sinks.table import Table

TABLES = (
    Table(
        "payments",
        key="order_id",
        columns={
            "customer_id": attrgetter("customer_id"),
            "status": attrgetter("status"),
            "amount": attrgetter("amount.amount"),
            "currency": attrgetter("amount.currency"),
            "requested_at": attrgetter("requested_at"),
            "due_at": attrgetter("due_at"),
            "received_at": attrgetter("received_at"),
            "ended_at": attrgetter("ended_at"),
            "reason": attrgetter("reason"),
            "returned": attrgetter("returned"),
        },
    ),
)
