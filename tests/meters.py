"""A domain for tests: sensors whose readings are counted in windows of event time."""

from datetime import datetime, timedelta
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from producers import Decider, Facts
from schemas import Aggregate, Command, Domain, Envelope, Event, Id, Instant, Ticked
from streams.fold import Fold, by_partition_key
from streams.windows import Window, hopping, tumbling

HOUR = timedelta(hours=1)


class Measure(Command, frozen=True, kw_only=True):
    """A sensor has measured a value."""

    sensor: Id
    value: int
    at: Instant


class Measured(Event, frozen=True, kw_only=True):
    """A sensor measured a value at an instant."""

    sensor: str
    value: int
    at: Instant


class Sensor(Struct, frozen=True, kw_only=True):
    """What a sensor measured in all."""

    sensor: str
    readings: int
    last: datetime


class Readings(Struct, frozen=True, kw_only=True):
    """What a sensor measured in one window; `final` once nothing more will count."""

    sensor: str
    start: datetime
    end: datetime
    readings: int = 0
    total: int = 0
    late: int = 0
    final: bool = False


def decide(_state: None, command: Measure, _facts: Facts) -> tuple[Measured, ...]:
    return (Measured(sensor=command.sensor, value=command.value, at=command.at),)


DECIDER = Decider(decide, lambda *_: None)


def meters(namespace: str = "", **changed: Any) -> Domain:
    values: dict[str, Any] = {
        "name": "meters",
        "commands": (Measure,),
        "events": (Measured, Ticked),
        "aggregates": (Aggregate("sensors", Sensor), Aggregate("hourly", Readings), Aggregate("sliding", Readings)),
        "stream_of": lambda command: command.sensor,
        "event_time": lambda event: event.at,
        "allowed_lateness": timedelta(minutes=10),
        "tick_after": timedelta(minutes=1),
        "namespace": namespace,
    }
    return Domain(**values | changed)


def sensor(value: Sensor | None, event: Measured, _: Envelope[Any]) -> Sensor:
    if value is None:
        return Sensor(sensor=event.sensor, readings=1, last=event.at)
    return replace(value, readings=value.readings + 1, last=max(value.last, event.at))


def readings(value: Readings | None, event: Measured, _: Envelope[Any], window: Window) -> Readings:
    if value is None:
        value = Readings(sensor=event.sensor, start=window.start, end=window.end)
    return replace(value, readings=value.readings + 1, total=value.total + event.value)


DOMAIN = meters()
FOLDS = (
    Fold("sensors", key=by_partition_key, fold=sensor),
    Fold("hourly", key=by_partition_key, fold=readings, events=(Measured,), window=tumbling(HOUR)),
    Fold("sliding", key=by_partition_key, fold=readings, window=hopping(HOUR, every=timedelta(minutes=20))),
)
