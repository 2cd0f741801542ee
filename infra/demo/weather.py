"""The weather of 2013 at the airports of New York: the input of the iot demo, hour by hour, as sensors send it."""

import gzip
from collections import defaultdict
from collections.abc import Iterator
from csv import DictReader
from datetime import UTC, datetime
from decimal import ROUND_HALF_UP, Decimal
from importlib import resources
from typing import NamedTuple

from schemas import Command
from schemas.iot import InstallSensor, Measure, Reading, RecordReadings

START = datetime(2013, 1, 1, tzinfo=UTC)
HOUR_SECONDS = 3600
_RESENT = 7  # every seventh batch is sent twice, as loggers do that got no answer
_COLUMNS: dict[Measure, str] = {"temperature": "temp", "pressure": "pressure"}


class Measured(NamedTuple):
    """One reading: `value` in thousandths of a degree Celsius, or of a hectopascal."""

    sensor: str
    at: datetime
    value: int


def sensor_id(airport: str, measure: str) -> str:
    """The sensor of an airport."""
    return f"nyc-{airport}-{measure}".lower()


def weather() -> list[Measured]:
    """All temperatures and pressures of the file that are there, in its order (by airport)."""
    packed = resources.files("infra.demo").joinpath("nyc-weather-2013.csv.gz").read_bytes()
    rows = DictReader(gzip.decompress(packed).decode("ascii").splitlines())
    return [
        Measured(sensor_id(row["origin"], measure), datetime.fromisoformat(row["time_hour"]), _value(measure, text))
        for row in rows
        for measure, column in _COLUMNS.items()
        if (text := row[column]) != "NA"
    ]


def _value(measure: Measure, text: str) -> int:
    number = Decimal(text)
    if measure == "temperature":
        number = (number - 32) * 5 / 9  # the file has degrees Fahrenheit
    return int((number * 1000).quantize(Decimal(1), ROUND_HALF_UP))


def commands(measured: list[Measured]) -> Iterator[tuple[str, Command]]:
    """Command id and command: sensors are installed, then each sends the readings of a day together, day by day."""
    batches: dict[tuple[str, str], list[Reading]] = defaultdict(list)
    for each in measured:
        batches[str(each.at.date()), each.sensor].append(Reading(each.at, each.value))
    for sensor in sorted({each.sensor for each in measured}):
        _, airport, measure = sensor.split("-")
        yield f"{sensor}-install", _install(sensor, airport.upper(), measure)
    for number, ((day, sensor), readings) in enumerate(sorted(batches.items())):
        command = RecordReadings(sensor_id=sensor, readings=tuple(readings))
        yield f"{sensor}-{day}", command
        if number % _RESENT == 0:
            yield f"{sensor}-{day}-resent", command


def _install(sensor: str, airport: str, measure: str) -> InstallSensor:
    known: Measure = "temperature" if measure == "temperature" else "pressure"
    return InstallSensor(sensor_id=sensor, site=airport, measure=known, interval=HOUR_SECONDS, at=START)
