"""The event stores that are held to one contract."""

from collections.abc import Iterator

import pytest

from producers import EventStore, MemoryEventStore, PostgresEventStore
from schemas import Domain, discover
from tests.writes import Writer


@pytest.fixture
def orders() -> Domain:
    return discover("contract")["orders"]


@pytest.fixture(params=["memory", "postgres"])
def store(request: pytest.FixtureRequest, orders: Domain) -> Iterator[EventStore]:
    if request.param == "memory":
        yield MemoryEventStore(orders)
        return
    postgres = PostgresEventStore(request.getfixturevalue("postgres"), orders)
    yield postgres
    postgres.close()


@pytest.fixture
def writer(orders: Domain) -> Writer:
    return Writer(orders)
