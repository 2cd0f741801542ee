"""Products with long histories, for the tests of snapshots and of reading in pages."""

import asyncio
import time
from collections.abc import Sequence
from typing import Any

import msgspec

from producers import CommandHandler, Decider, PostgresEventStore, Receipt, Request
from producers.handling.fingerprints import fingerprint
from producers.history import Traveller
from producers.store import NewEvent, Snapshot, Write
from producers.store.hashing import NO_HASH, event_hash, event_id
from schemas import Domain, Event, encode
from tests.order_commands import DAY
from tests.products import DECIDER, ChangeProduct, ProductAdded, ProductChanged, products

PRODUCTS = products("long")


def fill(store: PostgresEventStore, amount: int, stream: str = "p1", batch: int = 2_000) -> None:
    """A product that was added and then changed again and again: price n at version n."""

    def event(version: int) -> Event:
        kind = ProductAdded if version == 1 else ProductChanged
        return kind(product_id=stream, name="CD", price=version, at=DAY)

    fill_with(store, PRODUCTS, stream, [event(version) for version in range(1, amount + 1)], batch)


def fill_with(
    store: PostgresEventStore, domain: Domain, stream: str, events: Sequence[Event], batch: int = 2_000
) -> None:
    """A new stream of these events, appended in batches."""
    last = NO_HASH
    for first in range(0, len(events), batch):
        made, before, command = [], last, f"fill-{stream}-{first}"
        for number, event in enumerate(events[first : first + batch], 1):
            data, identity = encode(event), event_id(command, number)
            last = event_hash(last, domain.key, stream, first + number, identity, stream, data)
            made.append(NewEvent(type(event).__name__, data, 0, last))
        [outcome] = store.append([Write(command, b"f" * 16, stream, first, before, stream, tuple(made))])
        assert outcome.kind == "accepted"


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
