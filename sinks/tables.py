"""Makes the tables of the domains, and refuses to load into tables that cannot keep the promise."""

import re
from collections.abc import Iterable
from importlib.resources import files

from schemas import Domain, Fatal, stage_module
from sinks.clickhouse import ClickHouse
from sinks.drift import Databases
from sinks.sql import statement
from sinks.table import Table

# Entries a table keeps: more than the parts that it gets between a crash and its repair (rule 15), by far.
WINDOW = 10_000
# Tables that nothing is loaded into from a topic.
_OURS = ("progress", "definitions")
# By column whose sealed value was opened, the id of the key: what erasing the key has to rewrite.
OPENED = "opened_with"
ENGINE_COLUMNS = ("position", "epoch", "is_deleted", "kafka_partition", "kafka_offset")


def tables_of(domain: Domain) -> tuple[Table, ...]:
    """The declared tables of a domain's aggregates."""
    return tuple(stage_module("sinks", domain).TABLES)


def prepare(clickhouse: str, domains: Iterable[Domain], *, fsync: bool = False) -> None:
    """Make what is missing: tables, and columns that are new in a table's definition. With `fsync` the tables are set
    so that every insert is on disk when it is answered (rule 18); that is not taken back by calling without.

    Raises Fatal when a definition was changed in another way, or a table cannot recognise a repeated insert (rule 1).
    """
    connection = ClickHouse(clickhouse)
    try:
        for domain in (version for each in domains for version in each.projections):
            databases_of(connection, domain).prepare()
            for database in (domain.database, domain.projection_database):
                _check_windows(connection, database)
                if fsync:
                    _sync(connection, database)
            _check_views(connection, domain.projection_database)
    finally:
        connection.close()


def definitions(domain: Domain) -> str:
    """The statements that make the tables of a domain in its projection version; `${fields}` are names and engines."""
    sources = (("sinks", "sql/tables.sql"), (f"sinks.domains.{domain.module}", "tables.sql"))
    return "".join(files(package).joinpath(name).read_text() for package, name in sources)


def databases_of(connection: ClickHouse, domain: Domain, text: str = "") -> Databases:
    """The databases of a domain in its projection version, made of its definitions, or of others in `text`."""
    text = text or definitions(domain)
    personal = any(table.personal for table in tables_of(domain))

    def make(events: str, projection: str) -> None:
        connection.run(text, _fields(events, projection, personal))

    fields = repr(_fields(domain.database, domain.projection_database, personal))
    return Databases(connection, domain.database, domain.projection_database, text + fields, make)


def _fields(events: str, projection: str, personal: bool) -> dict[str, str]:
    row = "position UInt64, epoch UInt32, is_deleted UInt8, kafka_partition UInt16, kafka_offset UInt64"
    if personal:
        row = f"{OPENED} Map(String, String), {row}"
    return {
        "events": events,
        "projection": projection,
        "row": row,
        "replacing": "ENGINE = ReplacingMergeTree(kafka_offset, is_deleted)",
        "window": f"SETTINGS non_replicated_deduplication_window = {WINDOW}",
    }


def _check_windows(connection: ClickHouse, database: str) -> None:
    found = connection.execute(statement("windows", database=database))
    for name, engine in found:
        window = re.search(r"non_replicated_deduplication_window = (\d+)", engine)
        if name not in _OURS and (window is None or int(window[1]) != WINDOW):
            raise Fatal(
                f"table {database}.{name} must have non_replicated_deduplication_window = {WINDOW} from its making on: "
                "without it a repeated insert would double rows; make it anew and rebuild it"
            )


def _sync(connection: ClickHouse, database: str) -> None:
    for name, engine in connection.execute(statement("windows", database=database)):
        if "fsync_after_insert = " not in engine:
            connection.execute(statement("sync_inserts", table=f"{database}.{name}"))


def _check_views(connection: ClickHouse, database: str) -> None:
    for (name,) in connection.execute(statement("views_over", database=database)):
        raise Fatal(
            f"a materialized view reads from {database}.{name}, which holds changing rows of a compacted topic: it "
            "would add up every version of a row. Let it read from the events"
        )
