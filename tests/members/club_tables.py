"""Members in ClickHouse."""

from operator import attrgetter

from sinks.table import Table

TABLES = (
    Table(
        "members",
        key="member_id",
        columns={name: attrgetter(name) for name in ("name", "email", "visits")},
        personal=("name", "email"),
    ),
)
