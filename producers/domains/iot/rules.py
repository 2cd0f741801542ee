"""The rules of a sensor.

A reading counts once: what comes again with the same value changes nothing, with another value it is in conflict, and
the first one stands. Older than a day before the newest of its sensor it is too late, and nobody knows any more whether
it came before. Ahead of our clock, beyond what its unit makes plausible, or before the installation it does not count
either. Rejected readings are on record, each by itself: a batch never fails because of one of them.
"""

from datetime import timedelta

from producers.decider import Facts
from producers.domains.iot.sensor import State, evolve
from schemas import Command, Event, NotFound, Refused
from schemas.iot import (
    LATENESS,
    UNITS,
    InstallSensor,
    Reading,
    ReadingRejected,
    ReadingTaken,
    Reason,
    RecordReadings,
    RetireSensor,
    SensorInstalled,
    SensorRetired,
)

AHEAD = timedelta(minutes=5)  # how far a sensor's clock may be ahead of ours


def decide(state: State | None, command: Command, facts: Facts) -> tuple[Event, ...]:
    """The events of a command. Raises Refused or NotFound with the rule that forbids it."""
    match command:
        case InstallSensor():
            return (_install(state, command, facts),)
        case RecordReadings():
            return _record(_working(state, command.sensor_id), command, facts)
        case RetireSensor():
            return (_retire(_working(state, command.sensor_id), command, facts),)
    raise TypeError(f"{type(command).__name__} is no command of a sensor")


def _install(state: State | None, command: InstallSensor, facts: Facts) -> SensorInstalled:
    if state is not None:
        raise Refused(f"{command.sensor_id} was already installed", rule="already-installed", field="sensor_id")
    at = command.at or facts.now
    if at > facts.now + AHEAD:
        raise Refused("a sensor is installed now or was before", rule="installed-ahead", field="at")
    return SensorInstalled(
        sensor_id=command.sensor_id, site=command.site, measure=command.measure, interval=command.interval, at=at
    )


def _working(state: State | None, sensor_id: str) -> State:
    if state is None:
        raise NotFound(f"there is no sensor {sensor_id}", rule="unknown-sensor", field="sensor_id")
    if state.retired:
        raise Refused(f"{sensor_id} was taken out of service", rule="retired", field="sensor_id")
    return state


def _record(state: State, command: RecordReadings, facts: Facts) -> tuple[Event, ...]:
    events: list[Event] = []
    for reading in command.readings:
        if state.recent.get(reading.at) == reading.value:
            continue
        reason = _wrong(state, reading, facts)
        if reason is None:
            event: Event = _taken(state, command.sensor_id, reading)
            state = evolve(state, event) or state
        else:
            event = ReadingRejected(
                sensor_id=command.sensor_id,
                value=reading.value,
                measured_at=reading.at,
                reason=reason,
                at=state.at,
            )
        events.append(event)
    return tuple(events)


def _wrong(state: State, reading: Reading, facts: Facts) -> Reason | None:
    """Why a reading does not count; None if it does."""
    unit = UNITS[state.measure]
    if reading.at < state.installed_at:
        return "before-installation"
    if reading.at > facts.now + AHEAD:
        return "ahead"
    if not unit.least <= reading.value <= unit.most:
        return "implausible"
    if reading.at < state.at - LATENESS:
        return "late"
    return "conflict" if reading.at in state.recent else None


def _taken(state: State, sensor_id: str, reading: Reading) -> ReadingTaken:
    known = state.statistic if state.statistic and state.statistic.warm and reading.at > state.at else None
    return ReadingTaken(
        sensor_id=sensor_id,
        measure=state.measure,
        value=reading.value,
        expected=known.mean if known else None,
        deviation=max(known.deviation, known.least) if known else None,
        anomalous=known is not None and known.anomalous(reading.value),
        at=reading.at,
    )


def _retire(state: State, command: RetireSensor, facts: Facts) -> SensorRetired:
    at = command.at or max(facts.now, state.at)
    if at < state.at:
        raise Refused(f"it measured later, at {state.at.isoformat()}", rule="measured-later", field="at")
    return SensorRetired(sensor_id=command.sensor_id, at=at)
