"""Makes the tables of the domains, and refuses to load into tables that cannot keep the promise."""

import re
from collections.abc import Iterable

from schemas import Domain, Fatal, stage_module
from sinks.clickhouse import ClickHouse
from sinks.sql import statement
from sinks.table import Table

# Entries a table keeps: more than the parts that it gets between a crash and its repair (rule 15), by far.
WINDOW = 10_000
ENGINE_COLUMNS = ("position", "epoch", "is_deleted", "kafka_partition", "kafka_offset")


def tables_of(domain: Domain) -> tuple[Table, ...]:
    """The declared tables of a domain's aggregates."""
    return tuple(stage_module("sinks", domain).TABLES)


def prepare(clickhouse: str, domains: Iterable[Domain]) -> None:
    """Make what is missing. Raises Fatal when a table cannot recognise a repeated insert (rule 1)."""
    connection = ClickHouse(clickhouse)
    try:
        for domain in domains:
            fields = _fields(domain)
            connection.run("sinks", "sql/tables.sql", {**fields, "window": str(WINDOW)})
            connection.run(f"sinks.domains.{domain.name}", "tables.sql", fields)
            for database in (domain.database, domain.projection_database):
                _check_windows(connection, database)
            _check_views(connection, domain.projection_database)
    finally:
        connection.close()


def _fields(domain: Domain) -> dict[str, str]:
    row = "position UInt64, epoch UInt32, is_deleted UInt8, kafka_partition UInt16, kafka_offset UInt64"
    return {
        "events": domain.database,
        "projection": domain.projection_database,
        "row": row,
        "replacing": "ENGINE = ReplacingMergeTree(kafka_offset, is_deleted)",
        "window": f"SETTINGS non_replicated_deduplication_window = {WINDOW}",
    }


def _check_windows(connection: ClickHouse, database: str) -> None:
    found = connection.execute(statement("windows", database=database))
    for name, engine in found:
        window = re.search(r"non_replicated_deduplication_window = (\d+)", engine)
        if name != "progress" and (window is None or int(window[1]) != WINDOW):
            raise Fatal(
                f"table {database}.{name} must have non_replicated_deduplication_window = {WINDOW} from its making on: "
                "without it a repeated insert would double rows; make it anew and rebuild it"
            )


def _check_views(connection: ClickHouse, database: str) -> None:
    for (name,) in connection.execute(statement("views_over", database=database)):
        raise Fatal(
            f"a materialized view reads from {database}.{name}, which holds changing rows of a compacted topic: it "
            "would add up every version of a row. Let it read from the events"
        )
