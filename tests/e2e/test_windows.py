"""Windows from command to SQL: a quiet domain's windows close, also after a worker was killed."""

import shutil
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import clickhouse_driver
import httpx
import pytest

from infra.stack import Addresses
from tests.architecture.source import ROOT
from tests.pipeline import Pipeline, until
from tests.tree import copied

ONE = datetime(2026, 1, 31, 13, tzinfo=UTC)
ROW = "s-1@2026-01-31T12:00:00Z"
WINDOWS = """CREATE TABLE IF NOT EXISTS ${{projection}}.{name}
(
    reading String, sensor String, start DateTime64(6, 'UTC'), readings UInt64, total Int64, late UInt64, final Bool,
    ${{row}}
)
${{replacing}}
ORDER BY reading
${{window}};
"""
FILES = {
    "schemas/meters.py": '''"""Sensors."""

from datetime import timedelta

from tests.meters import meters

DOMAIN = meters(allowed_lateness=timedelta(minutes=1), tick_after=timedelta(seconds=1))
''',
    "producers/domains/meters.py": "from tests.meters import DECIDER\n",
    "streams/domains/meters.py": "from tests.meters import FOLDS\n",
    "sinks/domains/meters/__init__.py": '''"""Sensors in ClickHouse."""

from operator import attrgetter

from sinks.table import Table

_COLUMNS = {name: attrgetter(name) for name in ("sensor", "start", "readings", "total", "late", "final")}
TABLES = (
    Table("sensors", key="sensor", columns={"readings": attrgetter("readings"), "last": attrgetter("last")}),
    Table("hourly", key="reading", columns=_COLUMNS),
    Table("sliding", key="reading", columns=_COLUMNS),
)
''',
    "sinks/domains/meters/tables.sql": """CREATE TABLE IF NOT EXISTS ${projection}.sensors
(
    sensor String, readings UInt64, last DateTime64(6, 'UTC'),
    ${row}
)
${replacing}
ORDER BY sensor
${window};
"""
    + WINDOWS.format(name="hourly")
    + WINDOWS.format(name="sliding"),
}


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A copy of the packages with the domain of sensors."""
    copy = copied(tmp_path / "tree", FILES)
    for name in ("tests/__init__.py", "tests/meters.py"):
        (copy / name).parent.mkdir(exist_ok=True)
        shutil.copy(ROOT / name, copy / name)
    return copy


@pytest.fixture
def sensors(tree: Path, addresses: Addresses, namespace: str, tmp_path: Path) -> Iterator[Pipeline]:
    pipeline = Pipeline(addresses, namespace, tmp_path, tree=tree, domain="meters")
    pipeline.prepare()
    yield pipeline
    for name in list(pipeline.running):
        pipeline.kill(name)


def test_windows_are_ordinary_tables_that_close_while_the_domain_is_quiet(
    sensors: Pipeline, clickhouse_reader: str, namespace: str
) -> None:
    client = clickhouse_driver.Client.from_url(clickhouse_reader)

    def row(key: str = ROW) -> Any:
        columns = "readings, total, late, final"
        where = f"{namespace}_meters_v1.hourly FINAL WHERE reading = %(key)s"
        return (client.execute(f"SELECT {columns} FROM {where}", {"key": key}) or [None])[0]

    def measure(seconds: float, value: int, sensor: str = "s-1") -> None:
        body = {"sensor": sensor, "value": value, "at": (ONE + timedelta(seconds=seconds)).isoformat()}
        assert httpx.post(f"{sensors.url}/api/meters/", json=body).status_code == 201

    sensors.start("api", "relay", "worker", "sink")
    until(lambda: client.execute(f"EXISTS TABLE {namespace}_meters_v1.sliding") == [(1,)], what="the sink's tables")
    measure(-1, 1)
    measure(-0.5, 2)
    measure(-30, 4)
    measure(-1, 16, "s-2")
    until(lambda: row() == (3, 7, 0, False), what="three readings in time")
    sensors.kill("worker")
    measure(59, 1, "s-3")
    sensors.start("worker")
    until(lambda: row() == (3, 7, 0, True), what="a tick closes a window that the worker knows of from its table alone")
    until(lambda: row("s-2@2026-01-31T12:00:00Z") == (1, 16, 0, True), what="so does that of another key")
    measure(-1, 32)
    until(lambda: row() == (3, 7, 1, True), what="what comes late is counted and left out")
    client.disconnect()
