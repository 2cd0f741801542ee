"""The benchmark of the relay measures records that can be read, and removes its topics."""

import re
from collections.abc import Callable, Iterator

import pytest
from confluent_kafka.admin import AdminClient

from infra.bench.frame import Sample
from infra.bench.suites.relay import Paced
from infra.stack import Addresses
from tests.benchmarks.conftest import Lines


def _of_runs(kafka: str) -> set[str]:
    """Topics and groups of benchmarks that there are."""
    admin = AdminClient({"bootstrap.servers": kafka})
    groups = [each.group_id for each in admin.list_consumer_groups().result().valid]
    names = [*admin.list_topics(timeout=10).topics, *groups]
    return {name for name in names if re.search(r"(^|\.)bench_[0-9a-f]{8}\.", name)}


@pytest.fixture
def nothing_left(servers: Addresses) -> Iterator[None]:
    """Fails a test that leaves topics or groups of a benchmark which were not there before."""
    before = _of_runs(servers.kafka)
    yield
    assert _of_runs(servers.kafka) <= before


@pytest.mark.usefixtures("nothing_left")
def test_the_throughput_is_that_of_batches_beside_a_bare_producer(measured: Callable[..., Lines]) -> None:
    _, line = measured("relay", "throughput")
    assert (line["bench"], line["case"], line["unit"]) == ("relay", "throughput", "events/s")
    assert 0 < line["spread"][0] <= line["rate"] <= line["spread"][1]
    assert line["ratios"].keys() == {"floor"}


@pytest.mark.usefixtures("nothing_left")
def test_the_latency_is_from_the_commit_to_the_record_at_a_given_pace(measured: Callable[..., Lines]) -> None:
    _, line = measured("relay", "latency")
    assert (line["unit"], line["goals"]) == ("ms at p95", {"p95_ms": 50})
    assert 0 < line["p50_ms"] <= line["p95_ms"] <= line["p99_ms"]
    assert line["floor"] > 0
    assert "rate" not in line
    assert 0 < line["paced_per_s"] < 4000


class _LateArrivals:
    """Every record arrives 10 ms after the moment 0."""

    moments = dict.fromkeys(range(1, 10), 0.010)

    def wait_for(self, position: int) -> None:
        assert position in self.moments


def test_a_latency_counts_from_its_own_commit() -> None:
    moments = iter([0.0, 0.004, 0.012])
    paced = Paced(lambda number: ([number + 1], next(moments)), _LateArrivals())  # type: ignore[arg-type]  # in its place
    sample: Sample = paced.run(0.03)
    assert [round(latency) for latency in sample.latencies] == [10, 6, 0]
