"""The benchmark of the replay folds every event of its topic, and says what the steps of it cost."""

from collections.abc import Callable
from typing import Any

import pytest

from infra.bench.errors import BenchError
from infra.bench.place import place
from infra.bench.suites import replay
from infra.config import Settings
from infra.stack import Addresses

Lines = list[dict[str, Any]]


def test_a_replay_stands_beside_a_bare_consumer_of_the_same_topic(measured: Callable[..., Lines]) -> None:
    [machine, events] = measured("replay")
    assert machine["bench"] == events["bench"] == "replay"
    assert events["rate"] > 0 < events["floor"]
    assert events["ratios"].keys() == {"floor", "one process", "folds"}
    assert events["goals"] == {"rate": 300_000, "ratios.floor": 0.6}
    assert events["cpu_us_per_1000"].keys() == {"ours", "floor", "one process", "folds"}


def test_a_replay_that_leaves_an_event_out_is_no_measurement(settings: Settings, servers: Addresses) -> None:
    with place(settings, servers, replay.SUITE.needs) as here, replay.SUITE.cases["events"](here) as case:
        ours: Any = case.ours
        ours._source.count += 30_000  # as if there were more
        with pytest.raises(BenchError, match="events were folded"):
            ours.run(0.1)
