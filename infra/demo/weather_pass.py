"""What the queries of the iot demo must answer, by a plain pass over the readings."""

from collections import defaultdict
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from typing import Any

from infra.demo.weather import HOUR_SECONDS, START, Measured

SILENT_AT = datetime(2013, 5, 8, 18, tzinfo=UTC)
SENSOR = "nyc-jfk-temperature"
PERCENTS = (10, 50, 90, 99)
_CLASS = 100  # a tenth of a degree, of a hectopascal

Series = dict[str, list[Measured]]


def answers(measured: list[Measured]) -> dict[str, Any]:
    """Climate, extremes, silence, outages, anomalies and percentiles, in the form in which the demo asks for them."""
    series: Series = defaultdict(list)
    for each in sorted(measured):
        series[each.sensor].append(each)
    temperatures = {name: each for name, each in series.items() if name.endswith("temperature")}
    pressures = {name: each for name, each in series.items() if name.endswith("pressure")}
    return {
        "climate": _climate(temperatures),
        "extremes": [_extremes(temperatures[name]) for name in sorted(temperatures)],
        "silent": _silent(series),
        "outages": _outages(pressures),
        "anomalies": sorted(row for name in temperatures for row in _anomalies(temperatures[name])),
        "percentiles": _days(temperatures[SENSOR]),
        "readings": len(measured),
    }


def units(thousandths: int) -> str:
    """A value in its unit, as the queries write it."""
    return str(Decimal(thousandths).scaleb(-3))


def iso(instant: datetime) -> str:
    """An instant, as the demo writes it."""
    return instant.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S")


def _climate(series: Series) -> list[list[Any]]:
    hours: dict[tuple[str, int], list[int]] = defaultdict(list)
    for name, readings in series.items():
        for each in readings:
            hours[name.split("-")[1].upper(), each.at.hour].append(each.value)
    return [
        [site, hour, len(values), units(_cut(sum(values), len(values))), units(min(values)), units(max(values))]
        for (site, hour), values in sorted(hours.items())
    ]


def _cut(total: int, number: int) -> int:
    """A mean, cut to the thousandth."""
    return total // number if total >= 0 else -(-total // number)


def _extremes(readings: list[Measured]) -> list[Any]:
    least = min(readings, key=lambda each: (each.value, each.at))
    most = min(readings, key=lambda each: (-each.value, each.at))
    return [least.sensor, units(least.value), iso(least.at), units(most.value), iso(most.at)]


def _silent(series: Series) -> list[list[Any]]:
    rows = []
    for name, readings in series.items():
        heard = max((each.at for each in readings if each.at <= SILENT_AT), default=START)
        seconds = int((SILENT_AT - heard).total_seconds())
        if seconds > HOUR_SECONDS:
            rows.append([name, seconds])
    return sorted(rows, key=lambda row: (-row[1], row[0]))


def _outages(series: Series) -> list[list[Any]]:
    gaps = [
        (-int((later.at - each.at).total_seconds()), each.sensor, iso(each.at))
        for readings in series.values()
        for each, later in pairwise(readings)
        if later.at - each.at > timedelta(hours=3)
    ]
    return [[sensor, since, -seconds] for seconds, sensor, since in sorted(gaps)[:20]]


def _anomalies(readings: list[Measured]) -> list[list[str]]:
    """Readings more than six deviations off a moving mean, both kept in whole thousandths, after a day to warm up."""
    found, mean, deviation = [], readings[0].value, _CLASS
    for seen, each in enumerate(readings[1:], start=1):
        error, limit = each.value - mean, 6 * max(deviation, _CLASS)
        if seen >= 24 and abs(error) > limit:
            found.append([each.sensor, iso(each.at), units(each.value), units(mean)])
            error = limit if error > 0 else -limit
        mean += error // 4
        deviation = max(0, deviation + (abs(error) - deviation) // 32)
    return found


def _days(readings: list[Measured]) -> list[list[Any]]:
    days: dict[str, list[int]] = defaultdict(list)
    for each in readings:
        days[str(each.at.date())].append(each.value)
    return [[day, len(values), *(units(_rank(sorted(values), p)) for p in PERCENTS)] for day, values in days.items()]


def _rank(values: list[int], percent: int) -> int:
    """The nearest-rank percentile, at the lower edge of its class."""
    place = (percent * len(values) + 99) // 100
    return values[place - 1] // _CLASS * _CLASS
