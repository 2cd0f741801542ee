"""Order events for the tests of one stage, what the sink made of them, and a stack to damage."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from infra import stack
from infra.stack import leftovers
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


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A data home whose stack a test may start, stop and damage; all is ended after the last test."""
    path = tmp_path_factory.mktemp("embedded")
    yield path
    stack.down(path)
    assert leftovers.find(path) == {}
