"""Sensors of environment and traffic: their readings, windows of an hour and of a day, anomalies, silence.

A value is a whole number of thousandths of the unit of what is measured, so that sums are exact; ClickHouse has it in
the unit. A reading was made when its date says, whenever it comes.
"""

from datetime import timedelta
from typing import Annotated, Literal, NamedTuple

from msgspec import Meta, Struct

from schemas import Aggregate, Command, Domain, Event, Id, Instant, Text, Ticked

Kind = Literal["environment", "traffic"]
Measure = Literal["temperature", "humidity", "pressure", "wind", "precipitation", "flow", "speed"]
Reason = Literal["late", "conflict", "ahead", "implausible", "before-installation"]
Interval = Annotated[int, Meta(ge=10, le=86_400, description="Seconds between two readings.")]
Value = Annotated[
    int, Meta(ge=-(10**12), le=10**12, description="Thousandths of the unit of what the sensor measures.")
]
LATENESS = timedelta(days=1)


class Unit(NamedTuple):
    """What is known of a measure: its unit, and, in thousandths, plausible values and the width of a class."""

    kind: Kind
    unit: str
    least: int
    most: int
    width: int


UNITS: dict[Measure, Unit] = {
    "temperature": Unit("environment", "°C", -90_000, 70_000, 100),
    "humidity": Unit("environment", "%", 0, 100_000, 1_000),
    "pressure": Unit("environment", "hPa", 850_000, 1_100_000, 100),
    "wind": Unit("environment", "m/s", 0, 120_000, 100),
    "precipitation": Unit("environment", "mm", 0, 500_000, 100),
    "flow": Unit("traffic", "vehicles/h", 0, 20_000_000, 10_000),
    "speed": Unit("traffic", "km/h", 0, 300_000, 1_000),
}


class InstallSensor(Command, frozen=True, kw_only=True):
    """Install a sensor that measures one thing at a site every `interval` seconds. `at`: when (default: now)."""

    sensor_id: Id
    site: Text
    measure: Measure
    interval: Interval
    at: Instant | None = None


class Reading(Struct, frozen=True, forbid_unknown_fields=True):
    """One reading: when it was made, and the value in thousandths of the unit."""

    at: Instant
    value: Value


class RecordReadings(Command, frozen=True, kw_only=True):
    """Record readings of a sensor, in any order. One that cannot count is rejected by itself; the others are taken."""

    sensor_id: Id
    readings: Annotated[tuple[Reading, ...], Meta(min_length=1, max_length=1_000)]


class RetireSensor(Command, frozen=True, kw_only=True):
    """Take a sensor out of service: nothing is expected of it any more. `at`: when (default: now)."""

    sensor_id: Id
    at: Instant | None = None


class SensorInstalled(Event, frozen=True, kw_only=True):
    """A sensor was installed."""

    sensor_id: str
    site: str
    measure: Measure
    interval: int
    at: Instant


class ReadingTaken(Event, frozen=True, kw_only=True):
    """A reading counts. `expected` and `deviation` are what the streaming statistic said before it, null where it says
    nothing: of the first readings, and of those that come out of order. `anomalous`: far from what was expected."""

    sensor_id: str
    measure: Measure
    value: int
    expected: int | None
    deviation: int | None
    anomalous: bool
    at: Instant


class ReadingRejected(Event, frozen=True, kw_only=True):
    """A reading does not count. It says to have been made at `measured_at`; `at` is the newest reading that counts."""

    sensor_id: str
    value: int
    measured_at: Instant
    reason: Reason
    at: Instant


class SensorRetired(Event, frozen=True, kw_only=True):
    """A sensor was taken out of service."""

    sensor_id: str
    at: Instant


class Sensor(Struct, frozen=True, kw_only=True):
    """One sensor and what it measured in all."""

    sensor_id: str
    site: str
    kind: Kind
    measure: Measure
    unit: str
    interval: int
    installed_at: Instant
    readings: int = 0
    rejected: int = 0
    anomalies: int = 0
    total: int = 0
    last_value: int | None = None
    last_at: Instant | None = None
    retired_at: Instant | None = None


class Span(Struct, frozen=True, kw_only=True):
    """What a sensor measured in one window. `classes` counts the readings by class of values, so that percentiles are
    known however many there are. `late` readings came once the window was closed; `final`: nothing more will count."""

    sensor_id: str
    measure: Measure
    start: Instant
    readings: int
    lowest: int
    highest: int
    total: int
    anomalies: int
    classes: dict[int, int]
    late: int = 0
    final: bool = False


DOMAIN = Domain(
    name="iot",
    commands=(InstallSensor, RecordReadings, RetireSensor),
    events=(SensorInstalled, ReadingTaken, ReadingRejected, SensorRetired, Ticked),
    aggregates=(Aggregate("sensors", Sensor), Aggregate("hourly", Span), Aggregate("daily", Span)),
    stream_of=lambda command: command.sensor_id,
    event_time=lambda event: event.at,
    allowed_lateness=LATENESS,
    tick_after=timedelta(minutes=1),
)


def percentile(span: Span, percent: int) -> int:
    """The lower edge of the class that the nearest-rank percentile is in: exact to the width of a class."""
    rank = -(-span.readings * percent // 100)
    for number in sorted(span.classes):
        rank -= span.classes[number]
        if rank <= 0:
            return number * UNITS[span.measure].width
    raise ValueError(f"{span.sensor_id} has {span.readings} readings, and not as many in its classes")


def mean(span: Span) -> int:
    """The mean, rounded to the nearest thousandth, a half upwards."""
    return (2 * span.total + span.readings) // (2 * span.readings)
