"""Pages of any statement: the order that it ends with, and cursors that are good for their own question alone."""

import asyncio
from typing import Any

import pytest

from schemas import Invalid
from schemas.orders import DOMAIN
from sinks.query.named import queries_of
from sinks.query.paging import Pages, Turn, ordered, turn_of
from sinks.query.reader import Reader, Result

COLUMNS = [("name", "String"), ("total", "Decimal(18, 2)"), ("tags", "Array(String)"), ("at", "DateTime64(6, 'UTC')")]


class _Describes(Reader):
    def __init__(self) -> None:
        pass

    async def read(self, *_: Any, **__: Any) -> Result:
        return Result(COLUMNS, [])


def page(statement: str, cursor: str = "", **values: str) -> Any:
    return asyncio.run(Pages(_Describes()).page("d", ordered(statement), values, 1, cursor))


@pytest.mark.parametrize("query", queries_of(DOMAIN).values(), ids=lambda query: query.name)
def test_every_named_query_of_orders_has_an_order_for_pages(query: Any) -> None:
    assert query.ordered is not None
    assert query.ordered.sort
    assert query.ordered.own_limit == any(parameter.name == "limit" for parameter in query.parameters)
    assert "{limit:" not in query.ordered.statement


@pytest.mark.parametrize(
    ("statement", "sort"),
    [
        ("SELECT 1 AS a ORDER BY a", ("a",)),
        ("SELECT a FROM t ORDER BY b DESC,\n a asc LIMIT 10", ("-b", "a")),
        ("SELECT a FROM (SELECT a FROM t ORDER BY a)", ()),
        ("SELECT a FROM t", ()),
    ],
)
def test_the_order_that_a_statement_ends_with_is_found(statement: str, sort: tuple[str, ...]) -> None:
    found = ordered(statement)
    assert found is not None
    assert (found.statement, found.sort) == (statement, sort)


def test_an_order_by_something_else_than_columns_has_no_pages() -> None:
    assert ordered("SELECT a FROM t ORDER BY a + 1") is None
    with pytest.raises(Invalid, match="ORDER BY"):
        page("SELECT a FROM t ORDER BY a + 1")
    with pytest.raises(Invalid, match="no column 'gone'"):
        page("SELECT a FROM t ORDER BY gone")


def test_rows_that_are_equal_in_the_order_are_told_apart_by_their_other_columns() -> None:
    made = page("SELECT * FROM t ORDER BY total DESC")
    assert made.query.endswith("ORDER BY total DESC, name, at LIMIT 2")
    assert made.sort == ("-total", "name", "at")


def test_a_cursor_is_good_for_its_own_statement_and_values_alone() -> None:
    statement = "SELECT * FROM t WHERE name = {who:String} ORDER BY total"
    first = page(statement, who="a")
    rows: list[tuple[Any, ...]] = [("a", "1.00", [], "x", "1.00", "a", "2026-01-01 00:00:00.000000")] * 2
    cursor = first.next(rows)
    following = page(statement, cursor, who="a")
    assert list(following.parameters.values()) == ["a", "1.00", "a", "1767225600000000"]
    for other, values in ((statement, {"who": "b"}), (statement.replace("total", "total DESC"), {"who": "a"})):
        with pytest.raises(Invalid, match="the cursor belongs to another"):
            page(other, cursor, **values)


def test_the_values_in_a_forged_cursor_are_bound_and_checked() -> None:
    first = page("SELECT * FROM t ORDER BY name")
    evil = "') OR 1=1 --"
    forged = first.next([(evil, "1", [], "x", evil, "1.00", "2026-01-01")] * 2)
    following = page("SELECT * FROM t ORDER BY name", forged)
    assert evil not in following.query
    assert evil in following.parameters.values()
    ill = first.next([("a", "x", [], "x", "a", "1 OR 1=1", "2026-01-01")] * 2)
    with pytest.raises(Invalid, match="cursor must be a number"):
        page("SELECT * FROM t ORDER BY name", ill)


def test_which_page_is_asked_for() -> None:
    own, other = queries_of(DOMAIN)["top-customers"].ordered, queries_of(DOMAIN)["totals"].ordered
    asked = {"limit": "5"}
    assert turn_of(own, asked) == Turn(asked=False)
    assert asked == {"limit": "5"}, "the query's own parameter stays"
    assert turn_of(other, {"limit": "5"}) == Turn(asked=True, limit=5)
    assert turn_of(other, {"cursor": "x"}) == Turn(asked=True, cursor="x")
    assert turn_of(other, {}) == Turn(asked=False)
    with pytest.raises(Invalid):
        turn_of(other, {"limit": "10001"})
