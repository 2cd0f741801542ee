"""Products with long histories, for the tests of snapshots and of reading in pages."""

import asyncio
import time
from typing import Any

import msgspec

from producers import CommandHandler, Decider, PostgresEventStore, Receipt, Request
from producers.hashing import NO_HASH, event_hash, event_id
from producers.history import Traveller
from producers.snapshots import fingerprint
from producers.store import NewEvent, Snapshot, Write
from schemas import encode
from tests.order_commands import DAY
from tests.products import DECIDER, ChangeProduct, ProductAdded, ProductChanged, products

PRODUCTS = products("long")


def fill(store: PostgresEventStore, amount: int, stream: str = "p1", batch: int = 2_000) -> None:
    """A product that was added and then changed again and again: price n at version n."""
    last, written = NO_HASH, 0
    while written < amount:
        events, before, command = [], last, f"fill-{stream}-{written}"
        for number in range(1, min(batch, amount - written) + 1):
            kind = ProductChanged if written or number > 1 else ProductAdded
            data = encode(kind(product_id=stream, name="CD", price=written + number, at=DAY))
            last = event_hash(last, PRODUCTS.key, stream, written + number, event_id(command, number), stream, data)
            events.append(NewEvent(kind.__name__, data, 0, last))
        [outcome] = store.append([Write(command, b"f" * 16, stream, written, before, stream, tuple(events))])
        assert outcome.kind == "accepted"
        written += len(events)


def change(store: PostgresEventStore, *prices: int, decider: Decider = DECIDER, stream: str = "p1") -> list[Receipt]:
    """What a process answers to commands, one after the other, that has just started; then it ends."""

    async def work() -> list[Receipt]:
        handler = CommandHandler(PRODUCTS, decider, store)
        try:
            return [
                await handler.handle(
                    Request(ChangeProduct(product_id=stream, name="CD", price=price), f"c{time.monotonic_ns()}")
                )
                for price in prices
            ]
        finally:
            await handler.close()

    return asyncio.run(work())


def kept(store: PostgresEventStore, decider: Decider = DECIDER) -> Snapshot | None:
    return store.snapshots(["p1"], fingerprint(PRODUCTS, decider)).get("p1")


def seen(store: PostgresEventStore, version: int | None = None, decider: Decider = DECIDER) -> Any:
    return msgspec.json.decode(Traveller(PRODUCTS, decider, store).at_version("p1", version).state)
