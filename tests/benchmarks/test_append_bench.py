"""The benchmark of the append has the shape that scripts read, and its figures come from work that was done."""

from collections.abc import Callable

import pytest

from infra.bench.frame import Case, Sample, measure
from infra.bench.peers import has_eventsourcing
from tests.benchmarks.conftest import Lines

PEERS = {"a transaction a command", "eventsourcing", "eventsourcing with functions"}


@pytest.mark.parametrize("name", ["guarded", "single"])
def test_each_case_has_its_figures_beside_floor_and_peers(name: str, measured: Callable[..., Lines]) -> None:
    _, line = measured("append", name)
    assert (line["bench"], line["case"], line["unit"]) == ("append", name, "events/s")
    assert 0 < line["spread"][0] <= line["rate"] <= line["spread"][1]
    assert line["floor"] > 0
    peers = PEERS if has_eventsourcing() else {"a transaction a command"}
    assert line["peers"].keys() == peers
    assert line["ratios"].keys() == {"floor", *peers}
    assert ("p99_ms" in line) == (name == "single")


class _Steady:
    """Runs at the rates given, one a round, and notes its turns."""

    def __init__(self, name: str, rates: list[int], turns: list[str]) -> None:
        self._name, self._rates, self._turns = name, rates, turns

    def run(self, seconds: float) -> Sample:
        assert seconds
        self._turns.append(self._name)
        rate = self._rates.pop(0)
        return Sample(rate, 1.0, [1.0, 2.0, float(rate)])


def test_medians_spread_and_ratios_are_those_of_the_rounds_without_the_warm_up() -> None:
    turns: list[str] = []
    ours, other = [1, 500, 100, 300, 200, 400], [1, 50, 10, 10, 40, 20]
    case = Case(
        ours=_Steady("ours", ours, turns),
        floor=_Steady("floor", other, turns),
        goals={"rate": 250, "p95_ms": 250, "ratios.floor": 11},
    )
    line = measure(case, 5.0, lambda *_: None).line()
    assert (line["rate"], line["spread"], line["floor"]) == (300, [100, 500], 20)
    assert line["missed"] == ["p95_ms", "ratios.floor"]
    assert line["ratios"] == {"floor": 10.0}
    assert (line["p50_ms"], line["p99_ms"]) == (2.0, 300)
    assert turns[:2] == ["ours", "floor"], "the warm-up"
    assert turns[2:6] == ["ours", "floor", "floor", "ours"]
    assert turns.count("ours") == turns.count("floor") == 6


def test_a_paced_case_is_compared_by_latency() -> None:
    ours, floor = _Steady("ours", [1, *[40] * 5], []), _Steady("floor", [1, *[10] * 5], [])
    line = measure(Case(ours=ours, floor=floor, paced=True), 5.0, lambda *_: None).line()
    assert "rate" not in line
    assert (line["unit"], line["p95_ms"], line["spread"], line["floor"]) == ("ms at p95", 40, [40, 40], 10)
    assert line["ratios"] == {"floor": 4.0}
