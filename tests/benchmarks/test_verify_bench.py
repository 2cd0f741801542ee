"""The benchmark of verification: both cases have figures, and a bad history ends it."""

from collections.abc import Callable

import pytest

from infra.bench.errors import BenchError
from infra.bench.suites import verify
from producers.proof.findings import Finding, Report
from producers.proof.verification import Verification
from tests.benchmarks.conftest import Lines


@pytest.mark.parametrize("case", ["events", "appends"])
def test_each_case_has_its_figures(case: str, measured: Callable[..., Lines], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verify, "HISTORY", 2_000)
    _, line = measured("verify", case)
    assert 0 < line["spread"][0] <= line["rate"] <= line["spread"][1]
    assert set(line["goals"]) <= {"rate", *(f"ratios.{name}" for name in line["ratios"])}
    assert bool(line["peers"]) is (case == "appends")


def test_a_history_that_is_not_good_ends_it(measured: Callable[..., Lines], monkeypatch: pytest.MonkeyPatch) -> None:
    def bad(self: Verification, *_: object) -> Report:
        finding = Finding("altered-data", "an event was altered", self.domain.key)
        return Report(self.domain.key, 1, 0, 0, 0, 0, 0, 0, 0, 0.1, (finding,))

    monkeypatch.setattr(verify, "HISTORY", 100)
    monkeypatch.setattr(Verification, "run", bad)
    with pytest.raises(BenchError, match="an event was altered"):
        measured("verify", "events")
