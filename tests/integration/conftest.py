"""Order events for the tests of one stage, and what the sink made of them."""

from collections.abc import Iterator

import pytest

from schemas import Domain
from tests.integration.loaded import Loaded
from tests.integration.order_source import Publisher, Source


@pytest.fixture
def loaded(clickhouse: str, domain: Domain) -> Iterator[Loaded]:
    tables = Loaded(clickhouse, domain)
    yield tables
    tables.close()


@pytest.fixture
def source() -> Source:
    return Source()


@pytest.fixture
def publisher(kafka: str, domain: Domain) -> Publisher:
    return Publisher(kafka, domain)
