"""One run: load, faults at random, and the comparison at the end."""

import random
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from infra import stack
from infra.stack.errors import tail
from infra.stack.layout import Layout
from schemas import Domain
from tests.consistency.crew import Crew
from tests.consistency.feed import BAD, Feed
from tests.consistency.verdict import folded, verdict

_WORKERS = 2
_BREATH = (1.0, 8.0)  # seconds
_CATCH_UP_SECONDS = 180.0
_LINES = 60  # of each log, should a key be wrong
WEIGHTS = {"kill": 30, "pause": 20, "add or remove": 15, "broker": 1, **dict.fromkeys(BAD, 4)}


@dataclass
class Result:
    """What was done and what was found. `wrong` is empty when every key is exact."""

    seed: int
    rounds: int = 0
    faults: Counter[str] = field(default_factory=Counter)
    events: int = 0
    keys: int = 0
    ended: int = 0
    at_points: int = 0
    wrong: list[str] = field(default_factory=list)


def run(
    home: Path,
    kafka: str,
    domain: Domain,
    *,
    seed: int,
    seconds: float,
    rate: float = 2_000,
    plan: tuple[str, ...] = (),
    breath: tuple[float, float] = _BREATH,
    fault: str = "",
    say: Callable[[str], None] = lambda _: None,
) -> Result:
    """Torment the workers of `domain` for so long, on `kafka` of the stack at `home`; the topics are declared.

    First the faults of `plan` in their order, then such as chance picks, with a `breath` between them. `fault` is one
    that the workers are started with, to see the run fail.
    """
    chance, result = random.Random(seed), Result(seed)
    feed, crew = Feed(kafka, domain, seed, rate), Crew(kafka, domain, home, fault)
    planned = list(plan)
    try:
        for _ in range(_WORKERS):
            crew.add()
        feed.start()
        end = time.monotonic() + seconds
        _rest(crew, 5.0)
        while (planned or time.monotonic() < end) and not feed.failure:
            name = planned.pop(0) if planned else chance.choices(list(WEIGHTS), list(WEIGHTS.values()))[0]
            say(f"round {result.rounds + 1}: {name}, {feed.events:,} events so far")
            _strike(name, home, crew, feed, chance)
            result.rounds += 1
            result.faults[name] += 1
            _rest(crew, chance.uniform(*breath))
        feed.stop()
        crew.thaw_all()
        _judge(kafka, domain, crew, feed, result, say)
        if result.wrong:
            for log in (*crew.logs, Layout(home).log_of("kafka")):
                say(f"the end of {log}:\n{tail(log, lines=_LINES)}")
    finally:
        crew.end()
    return result


def _strike(name: str, home: Path, crew: Crew, feed: Feed, chance: random.Random) -> None:
    if name == "kill":
        crew.kill(chance)
    elif name == "pause":
        crew.pause(chance)
    elif name == "add or remove":
        crew.grow_or_shrink(chance)
    elif name == "broker":
        [pid] = [part.pid for part in stack.status(home) if part.name == "kafka"]
        if pid:  # else the supervisor is starting it
            psutil.Process(pid).kill()
    else:
        feed.throw(name)


def _rest(crew: Crew, seconds: float) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        crew.tend()
        time.sleep(0.1)


def _judge(kafka: str, domain: Domain, crew: Crew, feed: Feed, result: Result, say: Callable[[str], None]) -> None:
    result.events = feed.events
    deadline = time.monotonic() + _CATCH_UP_SECONDS
    say(f"{feed.events:,} events are out; waiting for the workers to catch up")
    while not feed.failure and folded(kafka, domain) < feed.events and time.monotonic() < deadline:
        _rest(crew, 2.0)
    is_late = time.monotonic() > deadline
    late = f"the tables were not complete {_CATCH_UP_SECONDS:.0f} s after the last event" if is_late else ""
    result.ended, result.at_points = crew.ended, crew.at_points
    wrong, result.keys = verdict(kafka, domain, feed)
    result.wrong = [*filter(None, [feed.failure, late]), *crew.unexpected, *wrong]
