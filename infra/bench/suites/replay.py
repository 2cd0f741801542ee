"""`bench replay`: a recorded history folded anew, as a rebuild and an `as_of` fold it."""

from collections.abc import Iterator
from contextlib import closing, contextmanager

from infra.bench.frame import Case, Suite
from infra.bench.load.input import Input
from infra.bench.load.runners import Consume
from infra.bench.place import Place
from infra.bench.replay.runners import Folds, Replay, first_records
from infra.bench.suites.load import shares

_READY = 20_000


@contextmanager
def _events(place: Place) -> Iterator[Case]:
    with closing(Input(place.kafka, place.orders)) as source:
        source.fill(_READY)
        records = first_records(place.kafka, source.domain, _READY)
        yield Case(
            ours=Replay(place, source),
            floor=Consume(place, source),
            peers={"one process": Replay(place, source, 1), "folds": Folds(source.domain, records)},
            goals={"rate": 300_000, "ratios.floor": 0.6},
            also=shares,
        )


SUITE = Suite(
    summary="A recorded history folded anew from its topic.",
    needs=("postgres", "kafka"),
    cases={"events": _events},
)
