"""The rules of sensors: given these commands, when this one comes, then these events or this refusal."""

from datetime import timedelta
from typing import Any

import msgspec
import pytest
from hypothesis import given as for_all
from hypothesis import settings
from hypothesis import strategies as st

from producers.domains.iot import DECIDER
from producers.domains.iot.sensor import State
from producers.domains.iot.statistic import LIMIT, WARM_UP, Statistic, first
from schemas import Command, Event, HeadraceError, NotFound, Refused
from schemas.iot import DOMAIN, LATENESS, ReadingRejected, ReadingTaken, Reason, SensorInstalled, SensorRetired
from tests.sensors import HOUR, NOON, install, record, retire
from tests.world import World

NOW = NOON + timedelta(days=30)


def given(*commands: Command) -> World:
    return World(DOMAIN, DECIDER, NOW).given(*commands)


def taken(hours: float, value: int) -> ReadingTaken:
    return ReadingTaken(
        sensor_id="t1",
        measure="temperature",
        value=value,
        expected=None,
        deviation=None,
        anomalous=False,
        at=NOON + hours * HOUR,
    )


def rejected(hours: float, value: int, reason: Reason, newest: float) -> ReadingRejected:
    return ReadingRejected(
        sensor_id="t1", value=value, measured_at=NOON + hours * HOUR, reason=reason, at=NOON + newest * HOUR
    )


CONSEQUENCES: list[tuple[tuple[Command, ...], Command, list[Event]]] = [
    (
        (),
        install(),
        [SensorInstalled(sensor_id="t1", site="roof", measure="temperature", interval=3600, at=NOON - HOUR)],
    ),
    ((install(),), record((0, 20_000), (1, 20_500)), [taken(0, 20_000), taken(1, 20_500)]),
    ((install(), record((2, 20_000))), record((1, 19_000)), [taken(1, 19_000)]),
    ((install(), record((0, 20_000))), record((0, 20_000), (1, 7)), [taken(1, 7)]),
    ((install(), record((0, 20_000))), record((0, 20_000)), []),
    ((install(),), record((0, 1), (0, 1)), [taken(0, 1)]),
    ((install(), record((0, 1))), record((0, 2)), [rejected(0, 2, "conflict", 0)]),
    ((install(), record((0, 1), (24, 2))), record((0, 1)), []),
    ((install(), record((0, 1), (24.1, 2))), record((0, 1)), [rejected(0, 1, "late", 24.1)]),
    ((install(), record((24, 2))), record((0, 1)), [taken(0, 1)]),
    ((install(),), record((-2, 1)), [rejected(-2, 1, "before-installation", -1)]),
    ((install(),), record((720.1, 1), (0, 1)), [rejected(720.1, 1, "ahead", -1), taken(0, 1)]),
    ((install(),), record((720.05, 1)), [taken(720.05, 1)]),
    ((install(),), record((0, 70_001)), [rejected(0, 70_001, "implausible", -1)]),
    ((install(),), record((0, -90_001)), [rejected(0, -90_001, "implausible", -1)]),
    ((install(),), retire(), [SensorRetired(sensor_id="t1", at=NOW)]),
    ((install(), record((1, 1))), retire(1), [SensorRetired(sensor_id="t1", at=NOON + HOUR)]),
]


@pytest.mark.parametrize(("before", "command", "events"), CONSEQUENCES)
def test_an_allowed_command_leads_to_its_events(
    before: tuple[Command, ...], command: Command, events: list[Event]
) -> None:
    assert given(*before).events(command) == events


REFUSALS: list[tuple[tuple[Command, ...], Command, type[HeadraceError], str, str]] = [
    ((install(),), install(), Refused, "already-installed", "sensor_id"),
    ((), install(hours=24 * 31), Refused, "installed-ahead", "at"),
    ((), record((0, 1)), NotFound, "unknown-sensor", "sensor_id"),
    ((), retire(), NotFound, "unknown-sensor", "sensor_id"),
    ((install(), retire()), record((0, 1)), Refused, "retired", "sensor_id"),
    ((install(), retire()), retire(), Refused, "retired", "sensor_id"),
    ((install(), record((1, 1))), retire(0), Refused, "measured-later", "at"),
]


@pytest.mark.parametrize(("before", "command", "kind", "rule", "field"), REFUSALS)
def test_a_forbidden_command_is_refused_with_the_rule(
    before: tuple[Command, ...], command: Command, kind: type[HeadraceError], rule: str, field: str
) -> None:
    refused: Any = given(*before).refuses(command, kind)
    assert (refused.rule, refused.field) == (rule, field)


def test_a_sensor_without_a_date_is_installed_now() -> None:
    [event] = given().events(install(hours=None))
    assert DOMAIN.event_time(event) == NOW


QUIET = [(hour, 20_000 + 100 * (hour % 2)) for hour in range(WARM_UP)]


def test_a_reading_far_from_the_usual_is_marked_once_enough_readings_were_seen() -> None:
    [marked] = given(install(), record(*QUIET)).events(record((WARM_UP, -10_500)))
    assert isinstance(marked, ReadingTaken)
    assert marked.anomalous
    assert marked.expected is not None
    assert abs(marked.expected - 20_050) <= 50
    [early] = given(install(), record(*QUIET[1:])).events(record((WARM_UP, -10_500)))
    assert isinstance(early, ReadingTaken)
    assert (early.anomalous, early.expected) == (False, None)


def test_an_outlier_hides_neither_the_usual_nor_the_next_outlier() -> None:
    events = given(install(), record(*QUIET)).events(record((24, -10_500), (25, 20_000), (26, -10_500)))
    assert [isinstance(each, ReadingTaken) and each.anomalous for each in events] == [True, False, True]


def test_a_reading_out_of_order_is_neither_marked_nor_does_it_move_the_statistic() -> None:
    world = given(install(), record(*QUIET))
    before = world.states["t1"].statistic
    [event] = world.events(record((2.5, -10_500)))
    assert isinstance(event, ReadingTaken)
    assert (event.anomalous, event.expected) == (False, None)
    assert world.states["t1"].statistic == before


@for_all(st.lists(st.integers(-90_000, 70_000), min_size=1, max_size=80))
def test_the_mean_stays_among_the_values_and_the_deviation_below_their_spread(values: list[int]) -> None:
    statistic: Statistic = first(values[0], 100)
    for value in values[1:]:
        limit = statistic.limit
        assert statistic.anomalous(value) == (statistic.readings >= WARM_UP and abs(value - statistic.mean) > limit)
        statistic = statistic.after(value)
    assert min(values) <= statistic.mean <= max(values)
    assert 0 <= statistic.deviation <= max(100, max(values) - min(values))
    assert statistic.limit >= LIMIT * 100


COMMANDS = st.lists(
    st.lists(st.tuples(st.integers(-3, 60), st.integers(0, 2)), min_size=1, max_size=6).map(lambda each: record(*each)),
    max_size=25,
)


@settings(max_examples=150)
@for_all(COMMANDS)
def test_whatever_comes_an_instant_counts_once_and_each_reading_has_one_end(commands: list[Any]) -> None:
    world = given(install(hours=-2))
    counted: dict[Any, int] = {}
    for command in commands:
        events = world.events(command)
        for event in events:
            if isinstance(event, ReadingTaken):
                assert event.at not in counted
                assert event.at >= max(counted, default=event.at) - LATENESS
                counted[event.at] = event.value
        newest = max(counted, default=NOON - 2 * HOUR)
        repeated = len(command.readings) - len(events)
        assert repeated <= sum(counted.get(each.at) == each.value for each in command.readings)
        assert world.states["t1"].at == newest
        assert world.states["t1"].recent == {at: v for at, v in counted.items() if at >= newest - LATENESS}


@for_all(COMMANDS)
def test_a_state_survives_its_snapshot_and_a_batch_that_comes_again_counts_nothing(commands: list[Any]) -> None:
    world = given(install(hours=-2))
    for command in commands:
        world.when(command)
        assert not any(isinstance(each, ReadingTaken) for each in world.events(command))
        state = world.states["t1"]
        assert msgspec.json.decode(msgspec.json.encode(state), type=State) == state
