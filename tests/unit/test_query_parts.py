"""The parts of the queries: headers of `.sql` files, filters, order, cursors, tokens."""

import dataclasses
from typing import Any

import pytest

from schemas import Domain, Invalid, discover
from schemas.orders import DOMAIN
from sinks.query.freshness import Wish, wish_of
from sinks.query.keyset import Column
from sinks.query.named import parse, queries_of
from sinks.query.tables import page

COLUMNS = {
    name: Column(name, kind, nullable)
    for name, kind, nullable in (
        ("order_id", "String", False),
        ("total", "Decimal(18, 2)", False),
        ("paid_at", "DateTime64(6, 'UTC')", True),
        ("spent", "Map(String, Decimal(18, 2))", False),
    )
}
QUERY = """-- Best customers
-- By what they spent.
-- :limit UInt32 = 10  How many.
-- :since String  From which day.

SELECT * FROM customers FINAL WHERE last_purchase > {since:String} LIMIT {limit:UInt32};
"""


def _page(**asked: str) -> Any:
    return page("orders", COLUMNS, "order_id", asked.items())


def test_values_are_bound_and_never_part_of_the_statement() -> None:
    evil = "'; DROP TABLE orders; --"
    made = _page(order_id=evil, total__gte="1.00", paid_at__lt="2026-01-01")
    assert evil not in made.query
    assert list(made.parameters.values()) == [evil, "1.00", "1767225600000000"]
    assert "order_id = {v0:String}" in made.query
    assert "total >= {v1:Decimal(18, 2)}" in made.query


@pytest.mark.parametrize(
    ("asked", "field"),
    [
        ({"nope": "1"}, "nope"),
        ({"order_id) OR (1": "1"}, "order_id) OR (1"),
        ({"total__like": "1"}, "total__like"),
        ({"spent": "1"}, "spent"),
        ({"sort": "total,-nope"}, "sort"),
        ({"sort": "total DESC"}, "sort"),
        ({"limit": "0"}, "limit"),
        ({"limit": "1001"}, "limit"),
        ({"limit": "٣"}, "limit"),
        ({"cursor": "!"}, "cursor"),
        ({"cursor": "e30"}, "cursor"),
    ],
)
def test_what_is_unknown_or_wrong_is_named(asked: dict[str, str], field: str) -> None:
    with pytest.raises(Invalid) as caught:
        _page(**asked)
    assert caught.value.field == field


def test_the_order_always_ends_with_the_key_so_that_pages_never_overlap() -> None:
    assert _page(sort="-total").query.endswith("ORDER BY total DESC, order_id LIMIT 101")
    assert _page(sort="-order_id,total").query.endswith("ORDER BY order_id DESC, total LIMIT 101")


def test_a_cursor_continues_behind_the_last_row_and_only_in_its_own_order() -> None:
    first = _page(sort="-total", limit="1")
    cursor = first.next([("o-1", "5.00", None, {}, "5.00", "o-1"), ("o-2", "4.00", None, {}, "4.00", "o-2")])
    following = _page(sort="-total", limit="1", cursor=cursor)
    assert (
        "(total < {v0:Decimal(18, 2)}) OR (total = {v0:Decimal(18, 2)} AND order_id > {v1:String})" in following.query
    )
    assert following.parameters == {"v0": "5.00", "v1": "o-1"}
    assert first.next([("o-1", "5.00", None, {}, "5.00", "o-1")]) is None
    with pytest.raises(Invalid, match="another order"):
        _page(sort="total", cursor=cursor)


def test_the_header_of_a_query_documents_it() -> None:
    query = parse("best", QUERY)
    assert (query.title, query.description, query.tables) == ("Best customers", "By what they spent.", ("customers",))
    assert query.bind([("since", "2026-01-01")]) == {"since": "2026-01-01", "limit": "10"}
    with pytest.raises(Invalid, match="since must be given"):
        query.bind([])
    with pytest.raises(Invalid, match="'until' is unknown"):
        query.bind([("until", "x")])
    with pytest.raises(Invalid, match="given twice"):
        query.bind([("since", "x"), ("since", "y")])


def test_a_header_that_lacks_a_parameter_is_found() -> None:
    with pytest.raises(ValueError, match="other parameters"):
        parse("best", QUERY.replace("-- :since String  From which day.\n", ""))


@pytest.mark.parametrize("domain", discover().values(), ids=lambda domain: domain.name)
def test_every_named_query_has_a_title_and_a_description(domain: Domain) -> None:
    for query in queries_of(domain).values():
        assert query.title
        assert query.description
        assert all(parameter.description for parameter in query.parameters)


def test_a_token_alone_asks_for_what_the_write_has_made_visible() -> None:
    assert wish_of(DOMAIN, {"token": "orders:12"}) == Wish("token", 12, 5.0)
    asked = {"consistency": "strong", "timeout": "0.5", "status": "paid"}
    assert wish_of(DOMAIN, asked) == Wish("strong", 0, 0.5)
    assert asked == {"status": "paid"}


@pytest.mark.parametrize(
    "asked",
    [
        {"consistency": "exact"},
        {"consistency": "token"},
        {"token": "payments:12"},
        {"token": "orders:-1"},
        {"token": "orders:"},
        {"timeout": "31"},
        {"timeout": "nan"},
        {"timeout": "soon"},
        {"max_staleness": "soon"},
        {"max_staleness": "-1s"},
        {"max_staleness": ""},
    ],
)
def test_a_wish_that_makes_no_sense_is_refused(asked: dict[str, str]) -> None:
    with pytest.raises(Invalid):
        wish_of(DOMAIN, asked)


@pytest.mark.parametrize(("text", "seconds"), [("2s", 2.0), ("2", 2.0), ("1.5s", 1.5), ("500ms", 0.5), ("2m", 120.0)])
def test_a_bound_of_staleness_is_a_span_of_time(text: str, seconds: float) -> None:
    assert wish_of(DOMAIN, {"max_staleness": text}).staleness == seconds


def test_a_namespace_does_not_change_tokens() -> None:
    assert wish_of(dataclasses.replace(DOMAIN, namespace="team"), {"token": "orders:1"}).position == 1
