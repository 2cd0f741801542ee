"""A replay gives the tables of a history as they were at any position, in bytes."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from random import Random
from typing import Any

import pytest
from hypothesis import given as for_all
from hypothesis import settings
from hypothesis import strategies as st

from schemas import REFOLD_KEY, Control, Refold, Unavailable, encode
from streams import run
from streams.kit import Given, given
from streams.kit.memory import Record, control, event, mark_of, whole
from streams.refolding import Refold as RefoldOfKey
from streams.replay import Replayed, Skips, fold_partition
from streams.replay.kafka import before
from tests.meters import FOLDS, Measured, meters
from tests.unit.test_kit import orders
from tests.unit.test_windows import MINUTE, NOON, histories
from tests.unit.test_windows_refold import Store, without_epochs

DOMAIN = meters(allowed_lateness=10 * MINUTE)


class Topic:
    """The records of a history on some partitions, with control records and requests for refolds between them."""

    def __init__(self, history: Given, random: Random) -> None:
        self._parts: list[list[Record]] = [[] for _ in range(random.randint(1, 3))]
        self._random = random
        homes: dict[str, list[Record]] = {}
        for each in history.events:
            home = homes.setdefault(each.partitionkey, random.choice(self._parts))
            home.append(event(each, len(home)))
            for part in self._parts:
                if part is not home and random.random() < 0.2:
                    part.append(control(each, len(part)))
                if random.random() < 0.1:
                    part.append(Record(REFOLD_KEY, encode(Refold(id="r", key=each.partitionkey)), len(part)))

    @property
    def partitions(self) -> range:
        return range(len(self._parts))

    def read(self, partition: int, upto: int) -> Iterator[Sequence[Record]]:
        records, _ = before(self._parts[partition], upto)
        while records:
            end = self._random.randint(1, len(records))
            yield records[:end]
            records = records[end:]

    def close(self) -> None: ...


def mark(history: Given, position: int) -> Control:
    return mark_of(history.events[position - 1])


def replayed(history: Given, position: int, random: Random, skips: Skips) -> list[Replayed]:
    topic, at = Topic(history, random), mark(history, position)
    return [fold_partition(history.folder, topic, number, at, skips) for number in topic.partitions]


@settings(max_examples=60, deadline=None)
@for_all(
    happened=histories.filter(bool),
    most=st.sampled_from([2, run.MAX_CLOSED]),
    random=st.randoms(use_true_random=False),
)
def test_at_any_position_the_tables_are_those_of_the_history_that_ends_there(
    happened: list[Any], most: int, random: Random
) -> None:
    history = given(DOMAIN, *happened, folds=FOLDS)
    positions = range(1, len(history.events) + 1)
    for position in random.sample(positions, min(3, len(positions))):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(run, "MAX_CLOSED", most)  # windows close in several runs
            found = replayed(history, position, random, {})
        assert history.tables(found) == replace(history, events=history.events[:position]).folded()
        assert sum(each.events for each in found) == position


@settings(max_examples=60, deadline=None)
@for_all(
    happened=histories.filter(bool),
    bad=st.integers(-150, 150),
    skipped=st.sets(st.integers(0, 39)),
    random=st.randoms(use_true_random=False),
)
def test_held_keys_and_skipped_events_are_those_of_a_worker_that_has_refolded_them(
    happened: list[Any], bad: int, skipped: set[int], random: Random
) -> None:
    def fails(value: Any, event: Any, envelope: Any) -> Any:
        if abs(event.at - NOON - bad * MINUTE) < 40 * MINUTE:
            raise RuntimeError
        return FOLDS[0].fold(value, event, envelope)

    history = given(DOMAIN, *happened, folds=(replace(FOLDS[0], fold=fails), *FOLDS[1:]))
    left_out = [e for n, e in enumerate(history.events) if n in skipped and isinstance(e.data, Measured)]
    store = _Skipping(history, frozenset(e.id for e in left_out))
    worker = whole(history.folder, history.events)
    for key in {e.partitionkey.encode() for e in left_out}:
        refold = RefoldOfKey(history.folder, key, "request", store)
        refold.read(len(history.events), lambda: False)
        worker.take(refold.changes(worker.rows, worker.windows.mark))
    skips = {e.partitionkey.encode(): store.ids for e in left_out}
    found = replayed(history, len(history.events), random, skips)
    assert without_epochs(history.tables(found)) == without_epochs(history.tables([worker]))
    assert {key: letter.error for each in found for key, letter in each.held.items()} == worker.held
    assert sum(each.skipped for each in found) == len(left_out)


class _Skipping(Store):
    def __init__(self, history: Given, ids: frozenset[str]) -> None:
        super().__init__(history)
        self.ids = ids

    def skipped(self, _key: str) -> frozenset[str]:
        return self.ids


@settings(max_examples=20, deadline=None)
@for_all(seed=st.integers(0, 1000), random=st.randoms(use_true_random=False))
def test_orders_are_replayed_to_the_bytes_and_versions_of_the_fold(seed: int, random: Random) -> None:
    history = orders(seed, 60)
    for position in (1, 30, len(history.events)):
        cut = replace(history, events=history.events[:position])
        found = replayed(history, position, random, {})
        assert history.tables(found) == cut.folded()
        versions = [each.versions for each in found]
        assert {k: v for each in versions for k, v in each.items()} == whole(cut.folder, cut.events).rows[-1]


def test_records_without_a_position_go_with_those_before_them() -> None:
    history = orders(1, 6)
    records = [event(each, n) for n, each in enumerate(history.events)]
    odd = Record(b"c-1", b"no event", 9)
    mixed = [odd, records[0], odd, records[1], odd]
    assert before(mixed, 2) == (mixed, 2)
    assert before(mixed, 1) == (mixed[:3], 2)
    assert before(mixed, 0) == ([odd], 2)
    assert before([odd], 5) == ([odd], 0)
    false = Record(b"other", records[5].value, 9)  # an event's bytes under a key that is not its own
    assert before([records[0], false, records[1]], 3)[1] == 2
    assert before([records[0], false], 3)[0] == [records[0], false]


def test_a_replay_that_is_given_up_ends_after_the_batch() -> None:
    history = orders(1, 20)
    done: list[int] = []
    with pytest.raises(Unavailable, match="given up"):
        fold_partition(
            history.folder, Topic(history, Random(1)), 0, mark(history, 20), {}, done.append, lambda: bool(done)
        )
    assert len(done) == 1
