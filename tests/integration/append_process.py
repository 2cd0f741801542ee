"""A process that handles commands for orders, for the tests that race and kill it.

Arguments: database URL, namespace, name, first and last number of the orders, crash point (or nothing). Places and
pays each order in batches of seven, so that many of its batches meet those of another process.
"""

import asyncio
import sys

from producers import CommandHandler, PostgresEventStore, Request
from producers.domains.orders import DECIDER
from schemas import HeadraceError, arm, discover
from tests.order_commands import pay, place


async def main(url: str, namespace: str, name: str, first: str, last: str, crash_point: str = "") -> None:
    if crash_point:
        arm(crash_point)
    domain = discover(namespace)["orders"]
    handler = CommandHandler(domain, DECIDER, PostgresEventStore(url, domain))
    commands = [step(f"o{n}") for n in range(int(first), int(last)) for step in (place, pay)]
    requests = [Request(c, f"{name}-{type(c).__name__}-{c.order_id}") for c in commands]
    groups = [handler.submit(requests[n : n + 7]) for n in range(0, len(requests), 7)]
    for result in [result for group in groups for result in await group]:
        print(result.rule if isinstance(result, HeadraceError) else "accepted", flush=True)
    await handler.close()


asyncio.run(main(*sys.argv[1:]))
