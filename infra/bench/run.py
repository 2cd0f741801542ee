"""Runs a benchmark: the line on where it runs, then a line for each case."""

import importlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from typing import Any

from infra.bench import machine
from infra.bench.frame import ROUNDS, Result, Suite, measure
from infra.bench.peers import MISSING, has_eventsourcing
from infra.bench.place import Place, place, servers
from infra.config import Settings
from infra.stack import Addresses
from schemas import Invalid


def run(
    settings: Settings,
    name: str,
    only: Sequence[str],
    seconds: float,
    *,
    say: Callable[[str], None],
    show: Callable[[str, float], None],
) -> Iterator[dict[str, Any]]:
    """The lines of the benchmark `name`, each as soon as it is known; of the cases `only` those, or all.

    Each runner is measured for `seconds`. `say` gets sentences, `show` what is measured now and which part is done.
    Raises Invalid for an unknown case, BenchError when the data directory is in memory.
    """
    suite: Suite = importlib.import_module(f"infra.bench.suites.{name}").SUITE
    for case in only:
        if case not in suite.cases:
            raise Invalid(f"bench {name} has no case {case!r}; it has {', '.join(suite.cases)}", field="case")
    with servers(settings, suite.needs, say) as at:
        server, found = machine.postgres(at.postgres)
        at_hand = machine.machine()
        if at_hand["load"] > at_hand["cores"]:
            say(f"The machine is busy (load {at_hand['load']} on {at_hand['cores']} cores): trust the ratios only.")
        yield {
            "bench": name,
            "machine": at_hand,
            "versions": {**machine.versions(), "postgres": server},
            "settings": found,
            "seconds": seconds,
            "rounds": ROUNDS,
        }
        if name == "append" and not has_eventsourcing():
            say(MISSING)
        with ExitStack() as open_:
            shared = _shared(open_, settings, suite, at, say)
            for case in only or suite.cases:
                yield {
                    "bench": name,
                    "case": case,
                    **_measured(settings, suite, case, seconds, at, show, shared).line(),
                }


def _shared(
    open_: ExitStack, settings: Settings, suite: Suite, at: Addresses, say: Callable[[str], None]
) -> Place | None:
    """The place that all cases share, made ready; None when each has one of its own."""
    if suite.shared is None:
        return None
    say("making ready what all cases share")
    return open_.enter_context(suite.shared(open_.enter_context(place(settings, at, suite.needs))))


def _measured(
    settings: Settings,
    suite: Suite,
    case: str,
    seconds: float,
    at: Addresses,
    show: Callable[[str, float], None],
    shared: Place | None,
) -> Result:
    """A case has a place of its own, so that none finds the tables filled by another, unless one is shared."""
    with ExitStack() as open_:
        here = shared or open_.enter_context(place(settings, at, suite.needs))
        opened = open_.enter_context(suite.cases[case](here))
        return measure(opened, seconds, lambda who, done: show(f"{case}: {who}", done))
