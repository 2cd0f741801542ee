"""The benchmark of a rebuild: the tables are switched each time, and a rebuild that fails is no measurement."""

from pathlib import Path

import pytest

from infra.bench.errors import BenchError
from infra.bench.place import place
from infra.bench.process import running
from infra.bench.replay import rebuilt
from infra.bench.suites import rebuild
from infra.config import Settings
from infra.stack import Addresses


def test_a_history_is_rebuilt_beside_the_running_pipeline(
    settings: Settings, servers: Addresses, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rebuilt, "LIVE_EVENTS", 0)  # tests/e2e/test_rebuild.py has one under live writes
    with place(settings, servers, rebuild.SUITE.needs) as here, rebuild.SUITE.cases["orders"](here) as case:
        sample = case.ours.run(0.1)
    assert sample.count >= 20_000
    assert sample.notes["folded_per_s"] > sample.rate, "what is folded is still to be loaded and compared"
    assert case.goals == {"rate": 83_333}


def test_a_rebuild_that_fails_ends_the_benchmark(settings: Settings, servers: Addresses, tmp_path: Path) -> None:
    command = ("cli", str(tmp_path), "rebuild", "orders", "--json", "--cancel")
    with (
        place(settings, servers, ("postgres", "kafka")) as here,
        running(here, *command) as process,
        pytest.raises(BenchError, match="no rebuild runs"),
    ):
        process.ended(60)
