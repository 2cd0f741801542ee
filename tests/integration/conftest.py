"""Order events for the tests of one stage, what the sink made of them, and a stack to damage."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from infra import stack
from infra.stack import leftovers
from schemas import Domain
from sinks.tables import prepare
from tests.integration.filled import Shop
from tests.integration.loaded import Loaded
from tests.integration.order_source import Publisher, Source
from tests.proxy import proxy_of


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


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A data home whose stack a test may start, stop and damage; all is ended after the last test."""
    path = tmp_path_factory.mktemp("embedded")
    yield path
    stack.down(path)
    assert leftovers.find(path) == {}


@pytest.fixture
def shop(clickhouse: str, clickhouse_reader: str, domain: Domain) -> Iterator[Shop]:
    prepare(clickhouse, [domain])
    with proxy_of(clickhouse_reader) as proxy:
        made = Shop(clickhouse, proxy, clickhouse_reader, domain)
        with made.http:
            yield made
        made.close()
