"""`bench fold`: events folded into a table, with every change written to its changelog."""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import click

from infra import topics
from infra.bench.fold.contestants import headrace
from infra.bench.fold.domain import domain
from infra.bench.fold.drain import Drain, processor_time
from infra.bench.fold.input import Input, Keys, in_turn, uniform, zipf
from infra.bench.fold.ladder import Ladder, shares
from infra.bench.fold.lasting import Memory, Recovery
from infra.bench.fold.peers import FAUST, KAFKA_STREAMS, peers
from infra.bench.frame import Case, Suite
from infra.bench.kafka import new_topic
from infra.bench.place import Place

EVENTS = 1_000_000
KEYS = 50_000
RECOVERED = 1_000_000
TURN = 2_000_000
_GOALS = {f"ratios.{KAFKA_STREAMS}": 2.0, f"ratios.{FAUST}": 30.0}


@contextmanager
def _input(place: Place, keys: Keys) -> Iterator[Input]:
    events = domain(place.settings.namespace)
    topics.declare(place.kafka, [events])
    with closing(Input(place.kafka, events, keys)) as source:
        yield source


@contextmanager
def _opened(place: Place, keys: Keys) -> Iterator[tuple[Input, Path]]:
    with _input(place, keys) as source, TemporaryDirectory(prefix="headrace-bench-") as folder:
        yield source, Path(folder)


@contextmanager
def _beside_peers(place: Place, keys: Keys, rate: int) -> Iterator[Case]:
    with _opened(place, keys) as (source, folder):
        others = peers(place, source.topic, folder, _say)
        goals = {name: goal for name, goal in _GOALS.items() if name.removeprefix("ratios.") in others}
        yield Case(
            ours=Drain(place, source, headrace(place, folder), EVENTS),
            peers={name: Drain(place, source, new, EVENTS) for name, new in others.items()},
            goals={"rate": rate, **goals},
            also=processor_time,
        )


def _say(sentence: str) -> None:
    click.echo(sentence, err=True)


@contextmanager
def _two(place: Place) -> Iterator[Case]:
    with _opened(place, uniform(KEYS)) as (source, folder):
        # All events from the start: one worker folds many before the other has joined.
        yield Case(
            ours=Drain(place, source, headrace(place, folder, workers=2), EVENTS, least=EVENTS),
            peers={"one worker": Drain(place, source, headrace(place, folder), EVENTS)},
            goals={"ratios.one worker": 1.3},
        )


@contextmanager
def _ladder(place: Place) -> Iterator[Case]:
    events = domain(place.settings.namespace)
    with _opened(place, uniform(KEYS)) as (source, folder):
        changelog = new_topic(place.kafka, f"{place.settings.namespace}.ladder", events.partitions)
        yield Case(
            ours=Drain(place, source, headrace(place, folder), EVENTS),
            peers=Ladder(place.kafka, events, source, changelog).rungs(),
            also=shares,
        )


@contextmanager
def _recovery(place: Place) -> Iterator[Case]:
    with _opened(place, in_turn(RECOVERED)) as (source, folder):
        ours = Recovery(place, source, headrace(place, folder)(1), RECOVERED)
        yield Case(ours=ours, unit="keys", goals={"p95_ms": 10_000})


@contextmanager
def _memory(place: Place) -> Iterator[Case]:
    with (
        _opened(place, uniform(KEYS)) as (source, folder),
        Memory(place, source, headrace(place, folder)(1), TURN) as ours,
    ):
        yield Case(ours=ours, also=ours.memory, goals={"flat": 0.9})


SUITE = Suite(
    summary="Events folded into a table, every change in its changelog.",
    needs=("postgres", "kafka"),
    cases={
        "uniform": lambda place: _beside_peers(place, uniform(KEYS), 150_000),
        "zipf": lambda place: _beside_peers(place, zipf(KEYS), 300_000),
        "two": _two,
        "ladder": _ladder,
        "recovery": _recovery,
        "memory": _memory,
    },
)
