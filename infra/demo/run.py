"""Runs a demo: feed, watch the hops, ask, compare with the independent pass."""

import asyncio
import contextlib
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import httpx

from infra.builds import there
from infra.config import Settings
from infra.demo.demo import Ask, Demo, Fed, Rows, Until
from infra.demo.feed import Result, feed, lines
from infra.demo.watch import Watched
from infra.pipeline import addresses, domains
from infra.positions import Hops
from schemas import Fatal, HeadraceError, Unavailable

_PATIENCE = 300.0


@dataclass(frozen=True)
class Outcome:
    """What a demo found; `expected` is the independent pass, `found` the answers of SQL in the same form."""

    sent: int
    accepted: int
    repeated: int
    rates: dict[str, int]
    seconds: float
    found: dict[str, Any]
    expected: dict[str, Any]

    @property
    def exact(self) -> bool:
        return self.found == self.expected

    @property
    def difference(self) -> dict[str, Any]:
        """What was found and what was expected, of the answers that differ."""
        keys = [key for key in {**self.expected, **self.found} if self.found.get(key) != self.expected.get(key)]
        return {key: {"found": self.found.get(key), "expected": self.expected.get(key)} for key in keys}


@dataclass
class Progress:
    """How far a demo is: `due` commands, of which `statuses` counts the answers, `new` and `repeated`; and the hops."""

    due: int
    statuses: Counter[str]
    watched: Watched
    sent: bool = False


Show = Callable[[Progress], None]


def run(settings: Settings, demo: Demo[Any], given: Any, show: Show) -> Outcome:
    """Run a demo with its input on a running pipeline; `show` gets the progress.

    Raises Unavailable when a process of the pipeline goes away, Fatal when a command is refused.
    """
    return asyncio.run(_run(settings, demo, given, show))


async def _run(settings: Settings, demo: Demo[Any], given: Any, show: Show) -> Outcome:
    runs = _runs(demo.commands(given))
    due = sum(chunk.count(b"\n") for part in runs if isinstance(part, _Run) for chunk in part.chunks)
    api = f"http://{settings.http_host}:{settings.http_port}/api"
    at = addresses(settings)
    known = domains(settings)
    with ExitStack() as opened:
        served = there(settings, at.postgres, [known[name] for name in demo.domains])
        hops = {domain.name: opened.enter_context(Hops(domain, at)) for domain in served}
        progress = Progress(due, Counter(), Watched(hops))
        began = time.monotonic()
        await _follow(progress, asyncio.create_task(_feed(api, runs, progress.statuses)), show)
        seconds = time.monotonic() - began
    found = await asyncio.to_thread(demo.ask, asking(api, progress.watched.tokens()))
    statuses, rates = progress.statuses, progress.watched.rates()
    return Outcome(due, statuses["new"], statuses["repeated"], rates, seconds, found, demo.expected(given))


@dataclass(frozen=True)
class _Run:
    """Lines that go to one domain without another between."""

    domain: str
    chunks: list[bytes]


def _runs(fed: Iterable[Fed | Until]) -> list[_Run | Until]:
    runs: list[_Run | Until] = []
    for domain, together in groupby(fed, key=lambda each: None if isinstance(each, Until) else each[0]):
        parts = list(together)
        if domain is None:
            runs += [part for part in parts if isinstance(part, Until)]
        else:
            commands = ((part[1], part[2]) for part in parts if not isinstance(part, Until))
            runs.append(_Run(domain, list(lines(commands))))
    return runs


async def _feed(api: str, runs: Iterable[_Run | Until], statuses: Counter[str]) -> None:
    for part in runs:
        if isinstance(part, Until):
            await _until(api, part)
            continue
        domain = part.domain

        def take(results: list[Result], domain: str = domain) -> None:
            for result in results:
                if result.receipt is None:
                    raise Fatal(f"line {result.line} for {domain} was refused: {result.problem}")
                statuses["repeated" if result.receipt.repeated else "new"] += 1

        await feed(f"{api}/{domain}/bulk", part.chunks, take)


async def _until(api: str, until: Until) -> None:
    deadline = time.monotonic() + _PATIENCE
    async with httpx.AsyncClient(timeout=60) as client:
        while True:
            answer = await client.get(f"{api}/{until.domain}/queries/{until.query}")
            if answer.status_code == 200 and until.done(answer.json()["data"]):
                return
            if time.monotonic() > deadline:
                raise Unavailable(
                    f"the query {until.query} of {until.domain} did not get to what the demo waits for within "
                    f"{_PATIENCE:.0f} s; `headrace status` says what hangs"
                )
            await asyncio.sleep(0.2)


async def _follow(progress: Progress, sending: "asyncio.Task[None]", show: Show) -> None:
    """Poll the hops until all that was sent is loaded. The end is known once the sending has ended."""
    deadline = time.monotonic() + _PATIENCE
    while True:
        if sending.done():
            sending.result()
            progress.sent = True
        with contextlib.suppress(Unavailable):
            if await asyncio.to_thread(progress.watched.look, progress.sent):
                show(progress)
                return
        show(progress)
        if time.monotonic() > deadline:
            sending.cancel()
            raise Unavailable(f"not everything was loaded within {_PATIENCE:.0f} s; `headrace status` says what hangs")
        await asyncio.sleep(0.1)


def asking(api: str, tokens: Mapping[str, str]) -> Ask:
    """Asks named queries for answers that contain everything up to the tokens. Raises HeadraceError."""

    def ask(domain: str, query: str, **parameters: Any) -> Rows:
        wanted = {**parameters, "consistency": "token", "token": tokens[domain], "timeout": 30}
        answer = httpx.get(f"{api}/{domain}/queries/{query}", params=wanted, timeout=60)
        if answer.status_code != 200:
            raise HeadraceError(f"query {query} of {domain}: {answer.text}")
        rows: Rows = answer.json()["data"]
        return rows

    return ask
