"""The benchmark of the intake measures commands that were accepted and answered."""

from collections.abc import Callable

import pytest

from tests.benchmarks.conftest import Lines


@pytest.mark.parametrize("name", ["kafka", "file"])
def test_commands_are_measured_to_their_answers(name: str, measured: Callable[..., Lines]) -> None:
    _, line = measured("intake", name)
    assert (line["bench"], line["case"], line["unit"]) == ("intake", name, "commands/s")
    assert 0 < line["spread"][0] <= line["rate"] <= line["spread"][1]
    assert line["ratios"].keys() == {"floor"}
