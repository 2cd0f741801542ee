"""Sensors from command to SQL: late, doubled and impossible readings, windows, silence; each constraint finds a lie."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import httpx

from infra.stack import Addresses
from schemas import Command, discover, encode
from tests.lies import each_constraint_finds_a_lie
from tests.pipeline import Pipeline
from tests.sensors import HOUR, NOON, install, record, retire

OF_DAY = "kafka_offset + 1 AS kafka_offset) FROM {v}.daily FINAL WHERE span = 't1@2026-04-01T00:00:00Z'"
LIES = {
    "sensors-are-their-readings": "INSERT INTO {v}.sensors SELECT * REPLACE (readings + 1 AS readings, kafka_offset + 1"
    " AS kafka_offset) FROM {v}.sensors FINAL WHERE sensor_id = 't2'",
    "hours-are-their-readings": "INSERT INTO {v}.hourly SELECT * REPLACE (late + 1 AS late, kafka_offset + 1 AS"
    " kafka_offset) FROM {v}.hourly FINAL WHERE span = 't1@2026-04-01T12:00:00Z'",
    "percentiles-are-in-order": "INSERT INTO {v}.daily SELECT * REPLACE (p90 - 1000 AS p90, " + OF_DAY,
    "days-are-their-readings": "INSERT INTO {v}.daily SELECT * REPLACE (total + 1 AS total, kafka_offset + 2 AS"
    " kafka_offset) FROM {v}.daily FINAL WHERE span = 't1@2026-04-02T00:00:00Z'",
    "an-instant-has-one-reading": "INSERT INTO {e}.readings SELECT * REPLACE (position + 1000 AS position)"
    " FROM {e}.readings WHERE sensor_id = 't1' LIMIT 1",
}
HOURLY = [(hour, 20_000 + 100 * (hour % 2)) for hour in range(24)]


def test_readings_count_by_rule_and_are_answered_in_their_units(
    addresses: Addresses, namespace: str, tmp_path: Path
) -> None:
    pipeline = Pipeline(addresses, namespace, tmp_path, domain="iot", settings={"HEADRACE_DOMAINS": "iot"})
    pipeline.prepare()
    pipeline.start("relay", "worker", "sink", "api")
    url = f"{pipeline.url}/api/iot"

    def send(commands: Sequence[Command]) -> None:
        lines = b"".join(b'{"command":%b}\n' % encode(each) for each in commands)
        answer = httpx.post(f"{url}/bulk", content=lines, timeout=60)
        assert b'"problem"' not in answer.content, answer.text

    def ask(query: str, *columns: str, **parameters: Any) -> list[tuple[Any, ...]]:
        wanted = {**parameters, "consistency": "strong", "timeout": 30}
        answer = httpx.get(f"{url}/queries/{query}", params=wanted, timeout=60)
        assert answer.status_code == 200, answer.text
        return [tuple(row[name] for name in columns) for row in answer.json()["data"]]

    try:
        send([install(), install("t2"), install("t3", "pressure"), install("gone"), retire(0, "gone")])
        send([record(*HOURLY, (24, -10_500)), record(*HOURLY), record((3, 1), (4, 99_999), (-2, 1))])
        send(
            [record((20, 18_000), (14, 17_500), id_="t2"), record((48, 1_013_200), id_="t3"), record((19, 7), id_="t2")]
        )
        assert ask("rejected", "sensor_id", "reason", "readings") == [
            ("t1", "before-installation", 1),
            ("t1", "conflict", 1),
            ("t1", "implausible", 1),
        ]
        assert ask("anomalies", "sensor_id", "value") == [("t1", "-10.500")]
        at = (NOON + 49 * HOUR).isoformat()
        silent = ask("silent-devices", "sensor_id", "silent_seconds", at=at)
        assert silent == [("t2", 29 * 3600), ("t1", 25 * 3600)]
        assert ask("silent-devices", "sensor_id", "last_at", at=(NOON + 4 * HOUR).isoformat(), intervals=4) == [
            ("t2", None),
            ("t3", None),
        ]
        assert ask("outages", "sensor_id", "seconds") == [("t2", 5 * 3600)]
        days = ask("percentiles-by-day", "day", "readings", "lowest", "p50", "highest", "mean", "final", sensor="t1")
        assert days == [
            ("2026-04-01", 12, "20.000", "20.000", "20.100", "20.050", True),
            ("2026-04-02", 13, "-10.500", "20.000", "20.100", "17.700", False),
        ]
        assert ask("extremes", "sensor_id", "lowest", "highest") == [
            ("t1", "-10.500", "20.100"),
            ("t2", "0.007", "18.000"),
        ]
        climate = ask("hourly-climate", "hour", "readings", "mean", "lowest")
        assert climate[12] == (12, 2, "4.750", "-10.500")
        assert ask("latest", "sensor_id", "last_value", "unit")[-1] == ("t3", "1013.200", "hPa")
        audited = pipeline.run("audit", "iot", seconds=120)
        assert audited.returncode == 0, audited.stdout + audited.stderr
    finally:
        pipeline.stop()
    each_constraint_finds_a_lie(addresses.clickhouse, discover(namespace)["iot"], LIES)
