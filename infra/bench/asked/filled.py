"""The tables of orders with as many events as one likes, made by ClickHouse itself."""

import time
from contextlib import closing
from datetime import UTC, datetime
from importlib.resources import files

from infra.bench.errors import BenchError
from schemas import Domain
from sinks.clickhouse import ClickHouse
from sinks.tables import prepare

EVENTS_A_GROUP = 4
_CHUNK = 250_000
# Of the orders, how many changed last: they lie in parts of their own, beside the versions before.
_RECENT_SHARE = 0.01
_RECENT_PARTS = 5
_PATIENCE = 120.0


def fill(clickhouse: str, domain: Domain, events: int) -> None:
    """Make the tables and fill them: four events for nearly every order, a hundredth of the orders changed of late.

    The events go through the domain's own materialized views. Raises BenchError when merges do not come to an end.
    """
    groups = max(1, events // EVENTS_A_GROUP)
    prepare(clickhouse, [domain])
    names = {"events": domain.database, "projection": domain.projection_database}
    with closing(ClickHouse(clickhouse)) as connection:

        def run(name: str, **fields: object) -> None:
            text = files("infra.bench.asked").joinpath(f"{name}.sql").read_text()
            connection.run(text, {**names, **{k: str(v) for k, v in fields.items()}})

        for first in range(0, groups, _CHUNK):
            run("events", first=first, count=min(_CHUNK, groups - first), versions=1)
            run("orders", first=first, count=min(_CHUNK, groups - first), versions=1)
        run("others")
        _settle(connection, domain)
        recent = max(_RECENT_PARTS, int(groups * _RECENT_SHARE)) // _RECENT_PARTS
        for part in range(_RECENT_PARTS):
            first = max(0, groups - recent * (part + 1))
            run("orders", first=first, count=recent, versions=part + 2)
        last = groups * EVENTS_A_GROUP
        moment = f"{datetime.now(UTC):%Y-%m-%d %H:%M:%S.%f}"
        topics = [domain.events_topic, *(domain.aggregate_topic(aggregate) for aggregate in domain.aggregates)]
        for topic in topics:
            run("progress", topic=topic, partitions=domain.partitions, position=last, moment=moment)


def _settle(connection: ClickHouse, domain: Domain) -> None:
    """Wait until the server has merged what it wants to merge, as it has in the long run."""
    deadline = time.monotonic() + _PATIENCE
    for table in ("orders", "customers"):
        connection.execute(f"OPTIMIZE TABLE {domain.projection_database}.{table} FINAL")
    while connection.execute(f"SELECT count() FROM system.merges WHERE database LIKE '{domain.database}%'")[0][0]:
        if time.monotonic() > deadline:
            raise BenchError(f"ClickHouse still merges after {_PATIENCE:.0f} s")
        time.sleep(0.1)
