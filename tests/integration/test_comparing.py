"""Two builds are compared while both are written to, one of them always a step behind."""

from collections.abc import Callable, Iterator
from contextlib import closing

import pytest

from schemas import Domain, Unavailable, discover
from sinks.clickhouse import ClickHouse
from sinks.comparing import Comparison
from sinks.tables import prepare

COLUMNS = "order_id, items, position, epoch, is_deleted, kafka_partition, kafka_offset"


@pytest.fixture
def builds(clickhouse: str, namespace: str) -> tuple[Domain, Domain]:
    """Two builds whose tables are there."""
    orders = discover(namespace)["orders"]
    made = orders.in_build(0), orders.in_build(1)
    prepare(clickhouse, made)
    return made


@pytest.fixture
def connection(clickhouse: str) -> Iterator[ClickHouse]:
    with closing(ClickHouse(clickhouse)) as made:
        yield made


def _writing(connection: ClickHouse, old: Domain, new: Domain, items: Callable[[int], int]) -> Callable[[], int]:
    """The head of a domain of which a row has changed whenever it is asked; the new build is one version behind, and
    its rows have as many items as told for a position."""
    position = 0

    def put(build: Domain, place: int, count: int) -> None:
        row = [["o-1"], [count], [place], [0], [0], [0], [place]]
        connection.execute(f"INSERT INTO {build.projection_database}.orders ({COLUMNS}) VALUES", row)

    def head() -> int:
        nonlocal position
        position += 1
        put(old, position + 1, position + 1)
        put(new, position, items(position))
        return 0

    return head


def test_a_row_that_always_changes_is_equal_where_it_was_the_same_in_both(
    connection: ClickHouse, builds: tuple[Domain, Domain]
) -> None:
    head = _writing(connection, *builds, items=lambda position: position)
    head()
    comparison = Comparison(connection, *builds, head, seconds=1)
    assert comparison.differences() == []
    assert comparison.counted.in_flight > 0


def test_a_row_that_always_changes_is_not_taken_for_equal_where_its_versions_differ(
    connection: ClickHouse, builds: tuple[Domain, Domain]
) -> None:
    head = _writing(connection, *builds, items=lambda position: position + 7)
    head()
    with pytest.raises(Unavailable, match="1 rows of orders change so fast"):
        Comparison(connection, *builds, head, seconds=1).differences()
