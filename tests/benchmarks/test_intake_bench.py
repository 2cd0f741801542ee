"""The benchmark of the intake measures commands that were accepted and answered."""

from collections.abc import Callable

from tests.benchmarks.conftest import Lines


def test_commands_over_kafka_are_measured_to_their_replies(measured: Callable[..., Lines]) -> None:
    _, line = measured("intake", "kafka")
    assert (line["bench"], line["case"], line["unit"]) == ("intake", "kafka", "commands/s")
    assert 0 < line["spread"][0] <= line["rate"] <= line["spread"][1]
    assert line["ratios"].keys() == {"floor"}
