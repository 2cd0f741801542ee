"""The folds of sensors: figures of windows, in whatever order readings come, against a plain count."""

from collections import defaultdict
from datetime import datetime, timedelta
from random import Random
from statistics import quantiles

import pytest
from hypothesis import given as for_all
from hypothesis import settings
from hypothesis import strategies as st

from producers.domains.iot import DECIDER
from schemas import Command
from schemas.iot import DOMAIN, LATENESS, Span, mean, percentile
from sinks.domains.iot import TABLES
from streams.kit import Given, given, on, tick
from streams.kit.history import Step
from tests.sensors import HOUR, NOON, install, record, retire
from tests.unit.test_iot_decider import NOW, taken
from tests.world import World

DAY = "t1@2026-04-01T00:00:00Z"


def after(*commands: Command) -> Given:
    return given(DOMAIN, [Step(*each) for each in World(DOMAIN, DECIDER, NOW).given(*commands).happened])


def test_a_sensor_has_its_newest_value_and_counts_what_counts_and_what_does_not() -> None:
    row = after(install(), record((1, 5), (0, 7), (1, 8), (2, 99_999)), retire(3)).table("sensors")["t1"]
    assert (row.readings, row.rejected, row.total, row.last_value, row.last_at) == (2, 2, 12, 5, NOON + HOUR)
    assert (row.kind, row.unit, row.retired_at) == ("environment", "°C", NOON + 3 * HOUR)


def test_a_reading_of_a_sensor_that_was_never_installed_holds_its_key() -> None:
    assert "before it was installed" in given(DOMAIN, on("t1", taken(0, 1))).held["t1"]


def test_windows_of_an_hour_and_of_a_day_have_their_figures_out_of_order_input_included() -> None:
    history = after(install(), record((0.5, -300), (0, 200), (2, 1_000), (1.5, 150), (0.25, 100)))
    assert history.table("hourly")["t1@2026-04-01T12:00:00Z"] == Span(
        sensor_id="t1",
        measure="temperature",
        start=NOON,
        readings=3,
        lowest=-300,
        highest=200,
        total=0,
        anomalies=0,
        classes={-3: 1, 2: 1, 1: 1},
    )
    day = history.table("daily")[DAY]
    assert (day.readings, day.lowest, day.highest, day.total) == (5, -300, 1_000, 1_150)
    assert [percentile(day, each) for each in (10, 50, 90)] == [-300, 100, 1_000]


def test_a_window_is_final_a_day_after_its_end_and_what_comes_later_is_left_out_and_counted() -> None:
    history = after(
        install(),
        install("t2"),
        record((0, 1)),
        record((35.99, 1), id_="t2"),
        record((0.5, 3)),
        record((36, 1), id_="t2"),
    )
    day = history.table("daily")[DAY]
    assert (day.readings, day.total, day.late, day.final) == (2, 4, 0, True)
    late = after(install(), install("t2"), record((0, 1)), record((36, 1), id_="t2"), record((0.5, 3)))
    day = late.table("daily")[DAY]
    assert (day.readings, day.total, day.late, day.final) == (1, 1, 1, True)
    assert late.table("sensors")["t1"].readings == 2


def test_ticks_close_the_windows_of_a_domain_that_has_gone_quiet() -> None:
    [installed, measured] = World(DOMAIN, DECIDER, NOW).given(install(), record((0, 1))).happened
    steps = [Step(*installed), Step(*measured)]
    assert given(DOMAIN, steps, tick(NOON + 12 * HOUR + LATENESS)).table("daily")[DAY].final


VALUES = st.lists(st.integers(-90_000, 70_000), min_size=1, max_size=60)


@for_all(VALUES)
def test_percentiles_are_those_of_the_sorted_values_to_the_width_of_a_class(values: list[int]) -> None:
    commands = [record((number / 60, value)) for number, value in enumerate(values)]
    [row] = after(install(), *commands).table("hourly").values()
    for percent in (1, 10, 50, 90, 99, 100):
        exact = sorted(values)[-(-len(values) * percent // 100) - 1]
        assert 0 <= exact - percentile(row, percent) < 100
    assert abs(mean(row) * len(values) - sum(values)) * 2 <= len(values)


def test_the_median_of_many_is_where_another_implementation_finds_it() -> None:
    values = [Random(1).randint(0, 50_000) for _ in range(59)]
    [row] = after(install(), *(record((n / 60, v)) for n, v in enumerate(values))).table("hourly").values()
    assert 0 <= quantiles(values, n=2)[0] - percentile(row, 50) < 100


def test_a_row_whose_classes_miss_a_reading_has_no_percentile() -> None:
    [row] = after(install(), record((0, 1))).table("hourly").values()
    broken = Span(**{name: getattr(row, name) for name in row.__struct_fields__} | {"readings": 2})
    with pytest.raises(ValueError, match="2 readings"):
        percentile(broken, 99)


def test_columns_are_in_the_unit() -> None:
    [row] = after(install(), record((0, -1_500), (0.5, 2_250))).table("daily").values()
    columns = {name: str(get(row)) for name, get in TABLES[2].columns.items()}
    assert [columns[name] for name in ("lowest", "highest", "total", "mean")] == ["-1.500", "2.250", "0.750", "0.375"]
    assert (columns["p10"], columns["p99"]) == ("-1.500", "2.200")


READINGS = st.lists(
    st.tuples(st.sampled_from(["t1", "t2"]), st.integers(-1, 120), st.integers(-5_000, 5_000)), max_size=40
)


@settings(max_examples=100, deadline=None)
@for_all(READINGS, st.randoms(use_true_random=False))
def test_each_window_has_the_readings_that_were_in_time_however_records_come(
    readings: list[tuple[str, int, int]], random: Random
) -> None:
    commands = [record((hours, value), id_=id_) for id_, hours, value in readings]
    history = after(install(hours=-2), install("t2", hours=-2), *commands)
    assert history.folded(random) == history.folded()
    in_time: dict[tuple[str, datetime], list[int]] = defaultdict(list)
    late: dict[tuple[str, datetime], int] = defaultdict(int)
    for envelope in history.events:
        event = envelope.data
        if type(event).__name__ != "ReadingTaken":
            continue
        start = event.at.replace(hour=0)
        assert isinstance(envelope.watermark, datetime)
        if envelope.watermark < start + timedelta(days=1):
            in_time[event.sensor_id, start].append(event.value)
        elif (event.sensor_id, start) in in_time:
            late[event.sensor_id, start] += 1
    rows = history.table("daily").values()
    assert {
        (row.sensor_id, row.start): (row.readings, row.total, row.lowest, row.highest, row.late) for row in rows
    } == {key: (len(values), sum(values), min(values), max(values), late[key]) for key, values in in_time.items()}
    assert all(sum(row.classes.values()) == row.readings for row in rows)
