"""`bench rebuild`: all tables of a domain rebuilt beside the running pipeline, up to the switch."""

import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from infra.bench.frame import Case, Suite
from infra.bench.place import Place
from infra.bench.replay.rebuilt import Rebuilds, pipeline
from sinks.tables import prepare

# Ten million events within two minutes.
_GOAL = 10_000_000 / 120


@contextmanager
def _orders(place: Place) -> Iterator[Case]:
    prepare(place.clickhouse, [place.orders])
    with (
        tempfile.TemporaryDirectory(prefix="headrace-bench-") as home,
        pipeline(place, Path(home)) as sink,
        closing(Rebuilds(place, Path(home), sink)) as ours,
    ):
        yield Case(ours=ours, goals={"rate": round(_GOAL)})


SUITE = Suite(
    summary="All tables of the orders rebuilt beside the running pipeline, up to the switch.",
    needs=("postgres", "kafka", "clickhouse"),
    cases={"orders": _orders},
)
