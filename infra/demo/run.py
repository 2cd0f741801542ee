"""The orders demo: feed, watch the hops, query, check against the plain pass."""

import asyncio
import contextlib
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import httpx

from infra.config import Settings
from infra.demo.cdnow import CURRENCY, SKU, commands, purchases, totals
from infra.demo.feed import Result, feed, lines
from infra.pipeline import addresses, domains
from infra.positions import Hops, Positions
from schemas import Fatal, HeadraceError, Unavailable

HOPS = ("accepted", "relayed", "folded", "loaded")
_PATIENCE = 300.0


@dataclass
class Watch:
    """Where the hops are in events since the start, and when each reached the end (seconds since the start)."""

    begin: int
    started: float = field(default_factory=time.monotonic)
    done: dict[str, int] = field(default_factory=lambda: dict.fromkeys(HOPS, 0))
    finished: dict[str, float] = field(default_factory=dict)

    def take(self, now: Positions, end: int | None) -> bool:
        """Note the positions; answers whether all hops have reached `end`."""
        for hop in HOPS:
            position = getattr(now, hop)
            self.done[hop] = max(self.done[hop], position - self.begin)
            if end is not None and position >= end and hop not in self.finished:
                self.finished[hop] = time.monotonic() - self.started
        return len(self.finished) == len(HOPS)


@dataclass(frozen=True)
class Outcome:
    """What the demo found; `expected` is the plain pass, `found` the answers of SQL in the same form."""

    sent: int
    events: int
    repeated: int
    rates: dict[str, int]
    seconds: float
    found: dict[str, Any]
    expected: dict[str, Any]

    @property
    def exact(self) -> bool:
        return self.found == self.expected


def run(settings: Settings, show: Callable[[Watch, Counter[str], int], None]) -> Outcome:
    """Run the demo on a running pipeline; `show` gets the hops, the answers (`new`, `repeated`), and how many are due.

    Raises Unavailable when a process of the pipeline goes away, Fatal when a command is refused.
    """
    return asyncio.run(_run(settings, show))


async def _run(settings: Settings, show: Callable[[Watch, Counter[str], int], None]) -> Outcome:
    bought = purchases()
    chunks = list(lines(commands(bought)))
    due = sum(chunk.count(b"\n") for chunk in chunks)
    url = f"http://{settings.http_host}:{settings.http_port}/api/orders"
    statuses: Counter[str] = Counter()

    def take(results: list[Result]) -> None:
        for result in results:
            if result.receipt is None:
                raise Fatal(f"line {result.line} was refused: {result.problem}")
            statuses["repeated" if result.receipt.repeated else "new"] += 1

    domain, at = domains(settings)["orders"], addresses(settings)
    with Hops(domain, at) as hops:
        watch = Watch(hops.positions().accepted)
        sending = asyncio.create_task(feed(f"{url}/bulk", chunks, take))
        await _follow(hops, watch, sending, lambda: show(watch, statuses, due))
        end = watch.begin + watch.done["accepted"]
    seconds = time.monotonic() - watch.started
    rates = {hop: round(watch.done[hop] / watch.finished[hop]) for hop in HOPS if watch.done[hop]}
    found = await asyncio.to_thread(query, url, f"orders:{end}")
    return Outcome(due, statuses["new"], statuses["repeated"], rates, seconds, found, totals(bought))


async def _follow(hops: Hops, watch: Watch, sending: "asyncio.Task[None]", show: Callable[[], None]) -> None:
    """Poll the hops until all that was sent is loaded. The end is known once the sending has ended."""
    end = None
    deadline = time.monotonic() + _PATIENCE
    while True:
        if sending.done():
            sending.result()
        sent = sending.done()
        with contextlib.suppress(Unavailable):
            now = await asyncio.to_thread(hops.positions)
            end = now.accepted if sent and end is None else end
            if watch.take(now, end):
                show()
                return
        show()
        if time.monotonic() > deadline:
            sending.cancel()
            raise Unavailable(f"not everything was loaded within {_PATIENCE:.0f} s; `headrace status` says what hangs")
        await asyncio.sleep(0.1)


def query(url: str, token: str) -> dict[str, Any]:
    """The answers of the named queries, once they contain everything up to the token, in the plain pass's form."""

    def ask(name: str, **parameters: Any) -> list[dict[str, Any]]:
        wanted = {**parameters, "consistency": "token", "token": token, "timeout": 30}
        answer = httpx.get(f"{url}/queries/{name}", params=wanted, timeout=60)
        if answer.status_code != 200:
            raise HeadraceError(f"query {name}: {answer.text}")
        data: list[dict[str, Any]] = answer.json()["data"]
        return data

    ours = [row for row in ask("totals") if row["currency"] == CURRENCY]
    months = [row for row in ask("revenue-by-month") if row["currency"] == CURRENCY]
    best = ask("top-customers", limit=10, currency=CURRENCY)
    whole = ours[0] if ours else {}
    stock = [row["stock"] for row in ask("stock") if row["sku"] == SKU]
    return {
        "customers": whole.get("customers"),
        "orders": whole.get("orders"),
        "items": whole.get("items"),
        "stock": stock[0] if stock else None,
        "revenue": whole.get("revenue"),
        "months": {row["month"]: [row["orders"], row["revenue"]] for row in months},
        "best": [[row["customer_id"], row["spent"]] for row in best],
    }
