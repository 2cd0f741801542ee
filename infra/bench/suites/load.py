"""`bench load`: events from their topic into ClickHouse, rollups included, with the sink in a process of its own."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from statistics import median
from typing import Any

from infra.bench.frame import Case, Sample, Suite
from infra.bench.kafka import reader
from infra.bench.load.input import Input
from infra.bench.load.runners import BLOCK, CPU, Bare, Consume, Drain, Form
from infra.bench.place import Place
from schemas import discover
from sinks.clickhouse import ClickHouse
from sinks.forming import Record
from sinks.inserting import Inserting
from sinks.tables import prepare
from sinks.targets import EventsTarget

_READY = BLOCK


@contextmanager
def _events(place: Place) -> Iterator[Case]:
    beside = discover(f"{place.settings.namespace}_bare")["orders"]
    prepare(place.clickhouse, [beside])
    with (
        closing(Input(place.kafka, place.orders)) as source,
        closing(ClickHouse(place.clickhouse)) as connection,
    ):
        source.fill(_READY)
        target = EventsTarget(beside)
        types = Inserting(connection, target).types
        batches = _batches(place, source)
        ready = [insert for batch in batches for insert in target.inserts(0, batch, types).each]
        yield Case(
            ours=Drain(place, source),
            floor=Bare(place, beside, ready),
            peers={"consume": Consume(place, source), "form": Form(beside, types, batches)},
            unit="rows",
            goals={"rate": 200_000, "ratios.floor": 0.8},
            also=shares,
        )


def _batches(place: Place, source: Input) -> list[list[Record]]:
    """The first records of the topic, in batches as large as the sink's largest."""
    domain, found = source.domain, list[Record]()
    with closing(reader(place.kafka, domain.events_topic, domain.partitions)) as consumer:
        while len(found) < _READY:
            messages = consumer.consume(10_000, 10)
            found += [Record(m.offset() or 0, m.key(), m.value()) for m in messages if m.error() is None]
    return [found[start : start + BLOCK] for start in range(0, _READY, BLOCK)]


def shares(samples: Mapping[str, Sequence[Sample]]) -> dict[str, Any]:
    """`us_per_1000`: microseconds that a 1000 rows take each runner; `cpu_us_per_1000`: of its process's time."""
    rates = {name: median(sample.rate for sample in each) for name, each in samples.items()}
    used = {name: round(median(sample.notes[CPU] for sample in each)) for name, each in samples.items()}
    return {"us_per_1000": {name: round(1e9 / rate) for name, rate in rates.items()}, CPU: used}


SUITE = Suite(
    summary="Events from their topic into ClickHouse, rollups included.",
    needs=("postgres", "kafka", "clickhouse"),
    cases={"events": _events},
)
