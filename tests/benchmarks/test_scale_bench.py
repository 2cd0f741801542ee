"""The benchmark of large domains: filled ones are as good as stored ones, and every case has its figures."""

from collections.abc import Callable

import pytest

from infra.bench.filled import APPEND, Filled, append, mark
from infra.bench.suites import scale
from producers import PostgresEventStore
from producers.relay.records import Checkpoint
from producers.relay.source import Source
from schemas import discover
from tests.benchmarks.conftest import Lines


@pytest.mark.parametrize("case", ["append", "relay", "snapshot"])
def test_each_case_has_its_figures_beside_a_small_domain_or_one_without_the_reader(
    case: str, measured: Callable[..., Lines], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, size in (("LARGE", 40_000), ("SMALL", 20_000), ("AGE", 5)):
        monkeypatch.setattr(scale, name, size)
    _, line = measured("scale", case)
    assert 0 < line["spread"][0] <= line["rate"] <= line["spread"][1]
    assert all(line["peers"].values())
    assert set(line["goals"]) <= {f"ratios.{name}" for name in line["ratios"]}


def test_a_filled_domain_goes_on_like_any_other(postgres: str) -> None:
    domain = discover("filled")["orders"]
    filled = Filled(postgres, domain, 1_000)
    store = PostgresEventStore(postgres, domain)
    assert store.head().position == 1_000
    assert append(store, filled.writes(50)) == append(store, filled.writes(50, active=20)) == 50
    assert [event.position for event in store.read(0, 2_000)] == list(range(1, 1_101))
    assert len(store.load({"filled-7": 0}).streams["filled-7"].events) >= 5
    store.close()
    with Source(postgres, domain) as source:
        _, rows = source.read(Checkpoint(APPEND, mark(APPEND).hex()))
        assert [row.position for row in rows] == list(range(APPEND + 1, 1_101))
