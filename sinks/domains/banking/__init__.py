"""The bank in ClickHouse: tables in `tables.sql`, named queries in `queries/`, what must hold in `constraints/`."""

from operator import attrgetter

from sinks.table import Table

TABLES = (
    Table(
        "accounts",
        key="account_id",
        columns={
            "holder_id": attrgetter("holder_id"),
            "currency": attrgetter("currency"),
            "balance": attrgetter("balance"),
            "held": attrgetter("held"),
            "overdraft": attrgetter("limit"),
            "turnover_in": attrgetter("turnover_in"),
            "turnover_out": attrgetter("turnover_out"),
            "entries": attrgetter("entries"),
            "opened_at": attrgetter("opened_at"),
            "moved_at": attrgetter("moved_at"),
            "closed_at": attrgetter("closed_at"),
        },
    ),
    Table(
        "holders",
        key="holder_id",
        columns={
            "opened": attrgetter("opened"),
            "closed": attrgetter("closed"),
            "balances": attrgetter("balances"),
            "since": attrgetter("since"),
        },
    ),
    Table(
        "holds",
        key="hold",
        columns={
            "account_id": attrgetter("account_id"),
            "hold_id": attrgetter("hold_id"),
            "status": attrgetter("status"),
            "amount": attrgetter("amount.amount"),
            "currency": attrgetter("amount.currency"),
            "captured": attrgetter("captured"),
            "placed_at": attrgetter("placed_at"),
            "ended_at": attrgetter("ended_at"),
        },
    ),
)
