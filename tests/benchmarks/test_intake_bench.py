"""The benchmark of the intake measures commands that were accepted and answered."""

from collections.abc import Callable

import pytest

from infra.bench.bursts import LEAST, Bursts
from infra.bench.frame import Sample
from tests.benchmarks.conftest import Lines


@pytest.mark.parametrize("name", ["kafka", "file"])
def test_commands_are_measured_to_their_answers(name: str, measured: Callable[..., Lines]) -> None:
    _, line = measured("intake", name)
    assert (line["bench"], line["case"], line["unit"]) == ("intake", name, "commands/s")
    assert 0 < line["spread"][0] <= line["rate"] <= line["spread"][1]
    assert line["ratios"].keys() == {"floor"}


@pytest.mark.parametrize(("rate", "start"), [(40_000, 0.3), (500, 0.05), (5, 0.0)])
def test_a_burst_is_as_long_as_was_asked_for_from_the_first_on(rate: float, start: float) -> None:
    class Started(Bursts):
        def measure(self, count: int) -> Sample:
            return Sample(count, start + count / rate)

    found = Started().run(2.0)
    assert found.seconds >= 1
    assert found.count == LEAST or found.seconds < 4
