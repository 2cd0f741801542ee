"""Every process is killed with SIGKILL at each of its named points, during a load: the totals stay exact."""

import signal

import pytest

from schemas import Domain
from tests.e2e.shop import Totals, add, loaded, loaded_up_to, orders, send
from tests.pipeline import Pipeline, until

POINTS = {
    "api": ["append.sent:2", "append.committed:2", "http.answering:2"],
    "relay": ["relay.read:2", "relay.produced:2", "relay.committed:2"],
    "worker": ["fold.folded:2", "fold.produced:3", "fold.committed:2"],
    "sink": ["load.cut:2", "load.announced:3", "load.inserted:3", "load.progressed:2", "load.acknowledged:2"],
}
ORDERS = 15


@pytest.mark.parametrize("process", POINTS)
def test_totals_are_exact_after_the_process_is_killed_at_each_of_its_points(
    process: str, pipeline: Pipeline, domain: Domain, clickhouse: str
) -> None:
    pipeline.start(*[name for name in ("api", "relay", "worker", "sink") if name != process])
    expected, number = Totals(), 0
    for point in POINTS[process]:
        if process in pipeline.running and pipeline.died(process) is None:
            pipeline.stop(process)
        pipeline.start(process, crash_point=point)
        killed = f"crash point {point.split(':')[0]} reached"

        def seen_under_load(killed: str = killed) -> bool:
            nonlocal expected, number
            commands, totals = orders(number, ORDERS)
            send(pipeline, commands)
            expected, number = add(expected, totals), number + ORDERS
            return killed in pipeline.log(process)

        until(seen_under_load, 60, what=killed)
        if process != "api":  # whose sender has restarted it already
            assert pipeline.running[process].wait(10) == -signal.SIGKILL
    if process != "api":
        pipeline.start(process)
    until(lambda: loaded_up_to(clickhouse, domain) >= expected.events, 90, what="all is loaded")
    assert loaded(clickhouse, domain) == expected
    assert loaded_up_to(clickhouse, domain) == expected.events
