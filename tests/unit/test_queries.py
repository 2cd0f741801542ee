"""Ill-typed filters, cursors and parameters are named; which tables queries read; waiting; exact numbers."""

import asyncio
import threading
from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from schemas import Invalid
from schemas.orders import DOMAIN
from sinks.query.freshness import Tables, Wish, wish_of
from sinks.query.keyset import Column
from sinks.query.named import parse, queries_of, tables_in
from sinks.query.reader import Reader, Result
from sinks.query.shapes import shape
from sinks.query.tables import page

INSTANT = "DateTime64(6, 'UTC')"
MONEY = "Decimal(18, 2)"


COLUMNS = {
    "order_id": Column("order_id", "String", False),
    "total": Column("total", MONEY, False),
    "paid_at": Column("paid_at", INSTANT, True),
}


@pytest.mark.parametrize(
    ("asked", "field"),
    [
        ({"total__gte": "ten"}, "total__gte"),
        ({"total__in": "1.00,ten"}, "total__in"),
        ({"paid_at__lt": "soon"}, "paid_at__lt"),
        ({"sort": "total", "cursor": "W1sidG90YWwiLCJvcmRlcl9pZCJdLFsidGVuIiwibyJdXQ"}, "cursor"),
    ],
)
def test_an_ill_typed_filter_or_cursor_is_named(asked: dict[str, str], field: str) -> None:
    with pytest.raises(Invalid) as caught:
        page("orders", COLUMNS, "order_id", asked.items())
    assert caught.value.field == field


def test_an_ill_typed_parameter_of_a_named_query_is_named() -> None:
    query = queries_of(DOMAIN)["top-customers"]
    with pytest.raises(Invalid) as caught:
        query.bind([("limit", "4294967297")])
    assert caught.value.field == "limit"


@pytest.mark.parametrize("query", queries_of(DOMAIN).values(), ids=lambda query: query.name)
def test_the_defaults_of_a_named_query_are_of_their_types(query: Any) -> None:
    assert set(query.bind([])) == {parameter.name for parameter in query.parameters}


@pytest.mark.parametrize(
    ("statement", "tables"),
    [
        ("SELECT 1 FROM orders FINAL WHERE a IN ('x', 'y')", ("orders",)),
        ("SELECT * FROM orders AS o FINAL, customers AS c FINAL WHERE 1", ("customers", "orders")),
        ("SELECT * FROM orders o\nLEFT JOIN customers c ON o.x = c.x", ("customers", "orders")),
        ("SELECT * FROM (SELECT * FROM customers FINAL) ORDER BY orders", ("customers",)),
        ("SELECT * FROM orders", ("orders",)),
    ],
)
def test_all_tables_that_a_statement_reads_are_found(statement: str, tables: tuple[str, ...]) -> None:
    assert tables_in(statement) == tables
    assert parse("q", f"-- Title\n-- What.\n\n{statement};\n").tables == tables


def test_which_tables_the_orders_queries_read() -> None:
    assert {name: query.tables for name, query in queries_of(DOMAIN).items()} == {
        "orders-by-status": ("orders",),
        "revenue-by-month": ("revenue_by_month",),
        "rfm": ("customers",),
        "stock": ("ordered_pieces", "products"),
        "top-customers": ("customers",),
        "totals": ("customers", "revenue_by_month"),
    }


@pytest.mark.parametrize(
    ("kind", "value", "text"),
    [
        (MONEY, Decimal("5"), "5.00"),
        ("Decimal(38, 8)", Decimal("0"), "0.00000000"),
        ("Decimal(76, 2)", Decimal("9" * 60), "9" * 60 + ".00"),
        (f"Map(String, {MONEY})", {"USD": Decimal("1.5")}, {"USD": "1.50"}),
        (f"Nullable({MONEY})", None, None),
    ],
)
def test_decimals_are_answered_exactly_with_their_scale(kind: str, value: Any, text: Any) -> None:
    assert list(shape(kind)([value])) == [text]


@pytest.mark.parametrize("kind", ["eventual", "strong"])
@pytest.mark.parametrize("token", ["1", "", "payments:1", "orders:x", "orders:1:2"])
def test_a_bad_token_is_refused_also_where_it_is_not_needed(kind: str, token: str) -> None:
    with pytest.raises(Invalid) as caught:
        wish_of(DOMAIN, {"consistency": kind, "token": token})
    assert caught.value.field == "token"


def test_a_token_is_not_waited_for_when_it_was_not_asked_to() -> None:
    assert wish_of(DOMAIN, {"consistency": "eventual", "token": "orders:9"}) == Wish("eventual", 0, 5.0)


class _Slow(Reader):
    """A reader whose every answer takes a moment and says that all is complete up to 7."""

    def __init__(self) -> None:
        self.asked = 0

    async def read(
        self,
        database: str,  # noqa: ARG002  # as the reader's
        query: str,  # noqa: ARG002
        parameters: Mapping[str, Any] | None = None,
        settings: Mapping[str, Any] | None = None,  # noqa: ARG002
    ) -> Result:
        self.asked += 1
        await asyncio.sleep(0.02)
        at = datetime(2026, 1, 1, tzinfo=UTC)
        topics = (parameters or {})["topics"]
        return Result([(topic, n, 7, at) for topic in topics for n in range(DOMAIN.partitions)], [])


def test_many_who_wait_share_one_reading_of_the_progress() -> None:
    async def wait() -> int:
        reader = _Slow()
        tables = Tables(DOMAIN, reader, lambda _: 7)
        found = await asyncio.gather(*(tables.fresh(["orders"], Wish("token", 7)) for _ in range(50)))
        assert {fresh.position for fresh in found} == {7}
        return reader.asked

    assert asyncio.run(wait()) <= 5


def test_a_query_that_does_not_need_the_head_does_not_wait_long_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sinks.query.freshness._HEAD_SECONDS", 0.05)
    answered = threading.Event()

    def head(_: object) -> int:
        answered.wait(10)
        return 7

    async def ask() -> Any:
        try:
            return await Tables(DOMAIN, _Slow(), head).fresh(["orders"], Wish())
        finally:
            answered.set()

    fresh = asyncio.run(ask())
    assert (fresh.head, fresh.complete, fresh.position) == (None, None, 7)
