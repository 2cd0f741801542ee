"""The iot demo: a year of real weather at New York's airports, each figure as a plain pass over the file has it."""

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from rich.bar import Bar
from rich.console import Group, RenderableType
from rich.table import Table

from infra.demo.demo import Ask, Demo, Fed
from infra.demo.weather import Measured, commands, weather
from infra.demo.weather_pass import PERCENTS, SENSOR, SILENT_AT, answers, iso

_DAYS = {"from": "2013-01-01", "to": "2013-12-31"}


def _commands(measured: list[Measured]) -> Iterator[Fed]:
    return (("iot", id_, command) for id_, command in commands(measured))


def _ask(ask: Ask) -> dict[str, Any]:
    def rows(query: str, *columns: str, **parameters: Any) -> list[list[Any]]:
        found = [row for row in ask("iot", query, **parameters) if _ours(row)]
        return [[_plain(row[name]) for name in columns] for row in found]

    anomalous = rows("anomalies", "sensor_id", "at", "value", "expected", **_DAYS, limit=10_000)
    spread = [f"p{percent}" for percent in PERCENTS]
    climate = rows("hourly-climate", "site", "hour", "readings", "mean", "lowest", "highest", **_DAYS)
    pressures = rows("hourly-climate", "readings", measure="pressure", **_DAYS)
    return {
        "climate": climate,
        "extremes": rows("extremes", "sensor_id", "lowest", "lowest_at", "highest", "highest_at", **_DAYS),
        "silent": rows("silent-devices", "sensor_id", "silent_seconds", at=SILENT_AT.isoformat(), intervals=1),
        "outages": rows("outages", "sensor_id", "since", "seconds", measure="pressure", **_DAYS, limit=20),
        "anomalies": sorted(anomalous),
        "percentiles": rows("percentiles-by-day", "day", "readings", *spread, sensor=SENSOR, **_DAYS),
        "readings": sum(row[2] for row in climate) + sum(row[0] for row in pressures),
    }


def _ours(row: Mapping[str, Any]) -> bool:
    """Whether a row is of the demo's sensors; queries may answer others, too."""
    return str(row.get("sensor_id", "nyc-")).startswith("nyc-") and row.get("site", "JFK") in ("EWR", "JFK", "LGA")


def _plain(value: Any) -> Any:
    try:
        return iso(datetime.fromisoformat(value)) if "T" in value else value
    except (TypeError, ValueError):
        return value


def _show(found: Mapping[str, Any]) -> RenderableType:
    climate = Table("hour UTC", "mean °C", "", title="Temperature at JFK by hour of the day", box=None)
    for _, hour, _, mean, *_ in (row for row in found["climate"] if row[0] == "JFK"):
        climate.add_row(f"{hour:02}", mean, Bar(20, 0, max(0.0, float(mean)), width=40))
    extremes = Table("sensor", "lowest", "at", "highest", "at", title="Extremes in °C", box=None)
    for sensor, lowest, lowest_at, highest, highest_at in found["extremes"]:
        extremes.add_row(sensor, lowest, lowest_at[:16], highest, highest_at[:16])
    outages = Table("sensor", "silent since", "hours", title="Longest outages of barometers", box=None)
    for sensor, since, seconds in found["outages"][:5]:
        outages.add_row(sensor, since, str(seconds // 3600))
    anomalous = Table("sensor", "at", "°C", "expected", title=f"Anomalies: {len(found['anomalies'])}", box=None)
    for row in found["anomalies"][:5]:
        anomalous.add_row(*row)
    return Group(climate, extremes, outages, anomalous, f"\n{found['readings']:,} readings.")


DEMO = Demo(
    name="iot",
    title="A year of real weather at New York's airports: windows, percentiles, outages, anomalies.",
    domains=("iot",),
    read=weather,
    opening=lambda measured: f"{len(measured):,} real readings go in now, a day of a sensor in one command.",
    commands=_commands,
    ask=_ask,
    expected=answers,
    show=_show,
    verdict="Exactly what a plain pass over the file gives, to the thousandth of a degree.",
    next=(
        "curl '{url}/api/iot/nyc-jfk-temperature'",
        "curl '{url}/api/iot/queries/percentiles-by-day?sensor=nyc-jfk-temperature&from=2013-07-01&to=2013-07-07'",
        "curl '{url}/api/iot/queries/silent-devices?at=2013-05-08T18:00:00Z&intervals=1'",
    ),
)
