"""The benchmark of the relay measures records that can be read, and removes its topics."""

from collections.abc import Callable

from confluent_kafka.admin import AdminClient

from infra.bench.frame import Sample
from infra.bench.suites.relay import Paced
from infra.stack import Addresses
from tests.benchmarks.conftest import Lines


def _left(kafka: str) -> list[str]:
    admin = AdminClient({"bootstrap.servers": kafka})
    # An intake's group has static members, so the broker itself removes it, once their session has timed out.
    groups = [g.group_id for g in admin.list_consumer_groups().result().valid if "intake" not in g.group_id]
    return [name for name in [*admin.list_topics(timeout=10).topics, *groups] if "bench_" in name]


def test_the_throughput_is_that_of_batches_beside_a_bare_producer(
    measured: Callable[..., Lines], servers: Addresses
) -> None:
    _, line = measured("relay", "throughput")
    assert (line["bench"], line["case"], line["unit"]) == ("relay", "throughput", "events/s")
    assert 0 < line["spread"][0] <= line["rate"] <= line["spread"][1]
    assert line["ratios"].keys() == {"floor"}
    assert not _left(servers.kafka)


def test_the_latency_is_from_the_commit_to_the_record_at_a_given_pace(
    measured: Callable[..., Lines], servers: Addresses
) -> None:
    _, line = measured("relay", "latency")
    assert (line["unit"], line["goals"]) == ("ms at p95", {"p95_ms": 50})
    assert 0 < line["p50_ms"] <= line["p95_ms"] <= line["p99_ms"]
    assert line["floor"] > 0
    assert "rate" not in line
    assert 0 < line["paced_per_s"] < 4000
    assert not _left(servers.kafka)


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
