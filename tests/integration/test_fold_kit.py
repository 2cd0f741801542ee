"""The test kit on real Kafka: a history in memory, by a real worker and replayed from the topic is the same bytes."""

from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any
from uuid import uuid4

import pytest
from hypothesis import Phase, example, settings
from hypothesis import given as for_all
from hypothesis import strategies as st

from infra import topics
from streams import run
from streams.kit import given, live, on, replayed, tick
from streams.stores import StoreKind
from tests.meters import FOLDS, Measured, meters

NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


def readings(random: Random, amount: int) -> list[Any]:
    """Readings out of order over five hours, with a tick here and there."""
    clock, happened = NOON, []
    for value in range(amount):
        clock += random.random() * 2 * MINUTE
        sensor = f"s-{random.randrange(12)}"
        instant = clock - random.choice((0, 0, 5, 30, 90)) * MINUTE
        happened.append(on(sensor, Measured(sensor=sensor, value=value, at=instant)))
        if random.random() < 0.03:
            clock += 20 * MINUTE
            happened.append(tick(clock))
    return happened


@settings(max_examples=2, deadline=None, phases=(Phase.explicit, Phase.generate))
@example(seed=1, partitions=3, workers=2, most=20, store="rocksdb")
@for_all(
    seed=st.integers(0, 1_000_000),
    partitions=st.integers(1, 4),
    workers=st.integers(1, 3),
    most=st.sampled_from([20, run.MAX_CLOSED]),
    store=st.sampled_from(["memory", "rocksdb"]),
)
def test_in_memory_by_workers_and_in_replay_the_tables_are_the_same_bytes(
    kafka: str,
    tmp_path_factory: pytest.TempPathFactory,
    seed: int,
    partitions: int,
    workers: int,
    most: int,
    store: StoreKind,
) -> None:
    domain = meters(f"t{uuid4().hex[:8]}", partitions=partitions)
    topics.declare(kafka, [domain])
    made = given(domain, *readings(Random(seed), 300), folds=FOLDS)
    expected = made.folded()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(run, "MAX_CLOSED", most)
        assert made.folded(Random(seed)) == expected
        assert live(made, kafka, tmp_path_factory.mktemp("worker"), workers=workers, store=store) == expected
    assert replayed(made, kafka) == expected


def test_the_history_of_that_test_has_windows_of_all_kinds() -> None:
    tables = given(meters(), *readings(Random(1), 300), folds=FOLDS).folded()
    assert any(b'"final":true' in row for row in tables["hourly"].values())
    assert any(b'"final":false' in row for row in tables["hourly"].values())
    assert any(b'"late":0' not in row for row in tables["sliding"].values())
