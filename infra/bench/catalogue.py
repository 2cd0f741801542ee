"""The products that the orders of the benchmarks are for."""

import asyncio
from contextlib import closing

from infra.bench.errors import BenchError
from infra.bench.orders import Orders
from infra.bench.place import Place
from producers import CommandHandler, PostgresEventStore
from producers.handling.requests import Request
from schemas import HeadraceError, stage_module


def fill(place: Place) -> None:
    """Put all products into the catalogue of the place, with more in stock than any run sells."""
    domain = place.orders
    requests = [Request(command, id_) for id_, command in Orders.catalogue()]

    async def handle(store: PostgresEventStore) -> None:
        handler = CommandHandler(domain, stage_module("producers", domain).DECIDER, store)
        for result in await handler.submit(requests):
            if isinstance(result, HeadraceError):
                raise BenchError(f"the catalogue cannot be filled: {result.detail}")
        await handler.close()

    with closing(PostgresEventStore(place.postgres, domain)) as store:
        asyncio.run(handle(store))
