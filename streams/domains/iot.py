"""Folds of sensors: each with what it measured in all, and what it measured in each hour and day."""

from datetime import timedelta
from typing import Any

from msgspec.structs import replace

from schemas import Envelope, Event
from schemas.iot import UNITS, ReadingRejected, ReadingTaken, Sensor, SensorInstalled, SensorRetired, Span
from streams.fold import Fold, by_stream
from streams.windows import Window, tumbling


def sensor(value: Sensor | None, event: Event, envelope: Envelope[Any]) -> Sensor:
    """The sensor after `event`. Raises LookupError for one never installed, ValueError for one installed twice."""
    if isinstance(event, SensorInstalled):
        if value is not None:
            raise ValueError(f"{envelope.subject} was installed twice")
        return _installed(event)
    if value is None:
        raise LookupError(f"{type(event).__name__} of {envelope.subject} before it was installed")
    match event:
        case ReadingTaken():
            return _taken(value, event)
        case ReadingRejected():
            return replace(value, rejected=value.rejected + 1)
        case SensorRetired():
            return replace(value, retired_at=event.at)
    return value


def _installed(event: SensorInstalled) -> Sensor:
    known = UNITS[event.measure]
    return Sensor(
        sensor_id=event.sensor_id,
        site=event.site,
        kind=known.kind,
        measure=event.measure,
        unit=known.unit,
        interval=event.interval,
        installed_at=event.at,
    )


def _taken(value: Sensor, event: ReadingTaken) -> Sensor:
    value = replace(
        value,
        readings=value.readings + 1,
        anomalies=value.anomalies + event.anomalous,
        total=value.total + event.value,
    )
    if value.last_at is not None and event.at < value.last_at:
        return value
    return replace(value, last_at=event.at, last_value=event.value)


def span(value: Span | None, event: ReadingTaken, _envelope: Envelope[Any], window: Window) -> Span:
    """The window's row after a reading."""
    number = event.value // UNITS[event.measure].width
    if value is None:
        return Span(
            sensor_id=event.sensor_id,
            measure=event.measure,
            start=window.start,
            readings=1,
            lowest=event.value,
            highest=event.value,
            total=event.value,
            anomalies=int(event.anomalous),
            classes={number: 1},
        )
    return replace(
        value,
        readings=value.readings + 1,
        lowest=min(value.lowest, event.value),
        highest=max(value.highest, event.value),
        total=value.total + event.value,
        anomalies=value.anomalies + event.anomalous,
        classes={**value.classes, number: value.classes.get(number, 0) + 1},
    )


FOLDS = (
    Fold(
        "sensors",
        key=by_stream,
        fold=sensor,
        events=(SensorInstalled, ReadingTaken, ReadingRejected, SensorRetired),
    ),
    Fold("hourly", key=by_stream, fold=span, events=(ReadingTaken,), window=tumbling(timedelta(hours=1))),
    Fold("daily", key=by_stream, fold=span, events=(ReadingTaken,), window=tumbling(timedelta(days=1))),
)
