"""Windows of event time, against what the events' watermarks say of them."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

import msgspec
import pytest
from hypothesis import given as for_all
from hypothesis import settings
from hypothesis import strategies as st

from schemas import Aggregate, Ticked
from streams import run
from streams.fold import Fold
from streams.kit import Given, given, on, tick
from streams.windows import OpenWindows, Place, Windows, hopping, tumbling
from tests.meters import FOLDS, HOUR, Measured, Readings, Sensor, meters

NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
DOMAIN = meters(allowed_lateness=10 * MINUTE)


def at(minutes: float, sensor: str = "s-1", value: int = 1) -> Any:
    return on(sensor, Measured(sensor=sensor, value=value, at=NOON + minutes * MINUTE))


def history(*happened: Any, folds: tuple[Fold, ...] = FOLDS) -> Given:
    return given(DOMAIN, *happened, folds=folds)


histories = st.lists(
    st.one_of(
        st.tuples(st.sampled_from(["s-1", "s-2", "s-3"]), st.integers(-150, 150)).map(lambda e: at(e[1], e[0])),
        st.integers(-150, 150).map(lambda minutes: tick(NOON + minutes * MINUTE)),
    ),
    max_size=40,
)


def test_a_window_is_open_until_the_watermark_has_reached_its_end() -> None:
    hourly = history(at(5, value=3), at(59, value=4), at(69.99)).table("hourly")
    assert hourly["s-1@2026-01-31T12:00:00Z"] == Readings(
        sensor="s-1", start=NOON, end=NOON + HOUR, readings=2, total=7
    )
    assert history(at(5), at(70)).table("hourly")["s-1@2026-01-31T12:00:00Z"].final


def test_what_comes_out_of_order_but_before_the_watermark_counts() -> None:
    row = history(at(5), at(69.99), at(59)).table("hourly")["s-1@2026-01-31T12:00:00Z"]
    assert (row.readings, row.late, row.final) == (2, 0, False)


def test_what_comes_after_the_watermark_is_counted_as_late_and_left_out() -> None:
    row = history(at(5), at(70), at(59)).table("hourly")["s-1@2026-01-31T12:00:00Z"]
    assert (row.readings, row.late, row.final) == (1, 1, True)
    assert "s-2@2026-01-31T12:00:00Z" not in history(at(70), at(5, "s-2")).table("hourly")


def test_windows_of_all_keys_close_though_their_keys_get_no_event_and_by_ticks_alone() -> None:
    others = history(at(5), at(6, "s-2"), at(70, "s-3")).table("hourly")
    assert [row.final for row in others.values()] == [True, True, False]
    ticked = history(at(5), at(6, "s-2"), tick(NOON + 200 * MINUTE))
    assert all(row.final for row in ticked.table("hourly").values())
    assert ticked.table("sensors") == history(at(5), at(6, "s-2")).table("sensors")


def test_an_event_is_in_all_hopping_windows_that_overlap_it() -> None:
    sliding = history(at(30)).table("sliding")
    assert [(row.start - NOON) / MINUTE for row in sliding.values()] == [-20, 0, 20]


@settings(max_examples=80, deadline=None)
@for_all(happened=histories)
def test_a_window_holds_what_was_appended_before_the_watermark_reached_its_end(happened: list[Any]) -> None:
    made = history(*happened)
    measured = [envelope for envelope in made.events if isinstance(envelope.data, Measured)]
    final = max((e.watermark for e in made.events if isinstance(e.watermark, datetime)), default=None)
    for name, fold in (("hourly", FOLDS[1]), ("sliding", FOLDS[2])):
        assert fold.window is not None
        expected: dict[str, Readings] = {}
        for envelope in measured:
            event = envelope.data
            for window in fold.window.of(event.at):
                key = event.sensor + window.suffix.decode()
                row = expected.get(key)
                assert isinstance(envelope.watermark, datetime)
                if envelope.watermark < window.end:
                    row = row or Readings(sensor=event.sensor, start=window.start, end=window.end)
                    values = {"readings": row.readings + 1, "total": row.total + event.value}
                elif row is not None:
                    values = {"late": row.late + 1}
                else:
                    continue
                assert final is not None
                expected[key] = msgspec.structs.replace(row, **values, final=final >= window.end)
        assert made.table(name) == expected


@settings(max_examples=120, deadline=None)
@for_all(happened=histories, random=st.randoms(use_true_random=False))
def test_however_records_come_the_tables_are_the_same_bytes(happened: list[Any], random: Random) -> None:
    made = history(*happened)
    assert made.folded(random) == made.folded()


@settings(max_examples=120, deadline=None)
@for_all(
    happened=histories,
    random=st.randoms(use_true_random=False),
    keep=st.integers(0, 100),
    most=st.sampled_from([1, 3, 10_000]),
)
def test_windows_that_are_kept_for_a_while_are_gone_afterwards_however_records_come(
    happened: list[Any], random: Random, keep: int, most: int
) -> None:
    folds = tuple(
        fold if fold.window is None else replace(fold, window=replace(fold.window, keep=keep * MINUTE))
        for fold in FOLDS
    )
    made, whole = history(*happened, folds=folds), history(*happened)
    final = max((e.watermark for e in made.events if isinstance(e.watermark, datetime)), default=NOON - 1_000 * MINUTE)
    for name in ("hourly", "sliding"):
        left = made.table(name)
        assert left.keys() == {key for key, row in whole.table(name).items() if row.end + keep * MINUTE > final}
        for key, row in left.items():
            assert whole.table(name)[key] == row
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(run, "MAX_CLOSED", most)
        assert made.folded(random) == made.folded()


@settings(max_examples=80, deadline=None)
@for_all(happened=histories, random=st.randoms(use_true_random=False), bad=st.integers(-150, 150))
def test_windows_of_a_held_key_are_the_same_bytes_too(happened: list[Any], random: Random, bad: int) -> None:
    """Those that were complete before the event that could not be folded have their mark, and no others."""

    def fails(value: Any, event: Any, envelope: Any) -> Any:
        if event.at == NOON + bad * MINUTE:
            raise RuntimeError
        return FOLDS[0].fold(value, event, envelope)

    made = history(*happened, folds=(replace(FOLDS[0], fold=fails), *FOLDS[1:]))
    assert made.folded(random) == made.folded()


@settings(max_examples=120, deadline=None)
@for_all(
    size=st.integers(1, 100), every=st.integers(1, 100), at=st.datetimes(datetime(1900, 1, 1), datetime(2100, 1, 1))
)
def test_an_instant_is_in_each_of_its_windows_and_in_no_other(size: int, every: int, at: datetime) -> None:
    windows = Windows(max(size, every) * MINUTE, every * MINUTE)
    instant = at.replace(tzinfo=UTC)
    found = windows.of(instant)
    assert all(window.start <= instant < window.end for window in found)
    assert all(window.end == windows.end_of(b"a@b" + window.suffix) for window in found)
    starts = [window.start for window in found]
    assert starts == sorted(set(starts))
    before, after = starts[0] - every * MINUTE, starts[-1] + every * MINUTE
    assert before + windows.size <= instant < after


@settings(max_examples=80, deadline=None)
@for_all(
    opened=st.lists(st.tuples(st.integers(0, 50), st.integers(0, 5)), max_size=40),
    marks=st.lists(st.integers(0, 60), max_size=6).map(sorted),
)
def test_due_are_just_the_windows_that_end_by_then(opened: list[tuple[int, int]], marks: list[int]) -> None:
    endings = {(NOON + end * MINUTE, Place(0, b"%d" % key)) for end, key in opened}
    windows = OpenWindows(None, endings)
    for mark in marks:
        due = list(windows.due(NOON + mark * MINUTE))
        assert [end for end, _ in due] == sorted(end for end, _ in due)
        assert set(due) == {ending for ending in endings if ending[0] <= NOON + mark * MINUTE}
        some = set(due[: len(due) // 2 + 1])
        windows.move(None, some, [])
        endings -= some


@settings(max_examples=120, deadline=None)
@for_all(happened=histories, random=st.randoms(use_true_random=False), most=st.integers(1, 3))
def test_windows_that_close_a_few_at_a_time_are_the_same_bytes(happened: list[Any], random: Random, most: int) -> None:
    made = history(*happened)
    expected = made.folded()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(run, "MAX_CLOSED", most)
        assert made.folded(random) == expected


def test_rows_of_windows_need_a_field_for_the_final_mark() -> None:
    domain = meters(aggregates=(Aggregate("sensors", Sensor),))
    with pytest.raises(ValueError, match="Sensor needs a field `final: bool`"):
        given(domain, folds=[Fold("sensors", FOLDS[0].key, FOLDS[0].fold, window=tumbling(HOUR))]).folded()


def test_windows_must_leave_no_gap() -> None:
    for size, every in ((1, 2), (1, 0), (0, 0)):
        with pytest.raises(ValueError, match="windows begin at most as far apart"):
            hopping(size * MINUTE, every=every * MINUTE)


def test_neither_key_nor_fold_is_called_for_events_that_a_fold_has_nothing_to_do_with() -> None:
    def never(*_: Any) -> Any:
        raise AssertionError

    silent = replace(FOLDS[0], key=never, fold=never, events=(Ticked,))
    assert history(at(5), folds=(silent, *FOLDS[1:])).held == {}
    assert history(at(5), folds=(replace(silent, events=(Measured,)), *FOLDS[1:])).held.keys() == {"s-1"}
    assert history(at(5), tick(NOON), folds=(replace(silent, events=()), *FOLDS[1:])).held.keys() == {"s-1"}
