"""Commands of the domain iot, for tests."""

from datetime import UTC, datetime, timedelta

from schemas.iot import InstallSensor, Measure, Reading, RecordReadings, RetireSensor

NOON = datetime(2026, 4, 1, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)


def install(id_: str = "t1", measure: Measure = "temperature", hours: float | None = -1) -> InstallSensor:
    at = None if hours is None else NOON + hours * HOUR
    return InstallSensor(sensor_id=id_, site="roof", measure=measure, interval=3600, at=at)


def record(*readings: tuple[float, int], id_: str = "t1") -> RecordReadings:
    """Readings by hours since noon and value."""
    return RecordReadings(
        sensor_id=id_, readings=tuple(Reading(NOON + hours * HOUR, value) for hours, value in readings)
    )


def retire(hours: float | None = None, id_: str = "t1") -> RetireSensor:
    return RetireSensor(sensor_id=id_, at=None if hours is None else NOON + hours * HOUR)
