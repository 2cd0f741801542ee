"""The orders demo: the purchases of a web shop, to the cent."""

from collections.abc import Iterator, Mapping
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table

from infra.demo.cdnow import CURRENCY, SKU, Purchase, commands, purchases, totals
from infra.demo.demo import Ask, Demo, Fed


def _commands(bought: list[Purchase]) -> Iterator[Fed]:
    return (("orders", id_, command) for id_, command in commands(bought))


def ask(ask: Ask) -> dict[str, Any]:
    """The answers of the named queries, in the form of the plain pass."""
    ours = [row for row in ask("orders", "totals") if row["currency"] == CURRENCY]
    months = [row for row in ask("orders", "revenue-by-month") if row["currency"] == CURRENCY]
    best = ask("orders", "top-customers", limit=10, currency=CURRENCY)
    whole = ours[0] if ours else {}
    stock = [row["stock"] for row in ask("orders", "stock") if row["sku"] == SKU]
    return {
        "customers": whole.get("customers"),
        "orders": whole.get("orders"),
        "items": whole.get("items"),
        "stock": stock[0] if stock else None,
        "revenue": whole.get("revenue"),
        "months": {row["month"]: [row["orders"], row["revenue"]] for row in months},
        "best": [[row["customer_id"], row["spent"]] for row in best],
    }


def _show(found: Mapping[str, Any]) -> RenderableType:
    months = Table("month", "orders", "revenue USD", title="Revenue by month", box=None)
    best = Table("customer", "spent USD", title="Best customers", box=None)
    for column in (*months.columns[1:], best.columns[1]):
        column.justify = "right"
    for month, (orders, revenue) in found["months"].items():
        months.add_row(month, f"{orders:,}", f"{_money(revenue)}")
    for customer, spent in found["best"]:
        best.add_row(customer, _money(spent))
    side = Table.grid(padding=(0, 6))
    side.add_row(months, best)
    return Group(
        side,
        f"\nTotals from SQL: {found['customers']:,} customers, {found['orders']:,} orders, {found['items']:,} CDs, "
        f"{_money(found['revenue'])} dollars, {len(found['months'])} months.",
    )


def _money(amount: str) -> str:
    whole, _, cents = amount.partition(".")
    return f"{int(whole):,}.{cents}"


DEMO = Demo(
    name="orders",
    title="69,659 real purchases of the web shop CDNOW: placed, paid, shipped, delivered; revenue to the cent.",
    domains=("orders",),
    read=purchases,
    opening=lambda bought: f"{len(bought):,} purchases go in as commands now.",
    commands=_commands,
    ask=ask,
    expected=totals,
    show=_show,
    verdict="Exactly what a plain pass over the file gives, to the cent.",
    next=("curl '{url}/api/orders/cdnow-00001'", "curl '{url}/api/orders/queries/rfm?limit=5'", "./headrace flow"),
)
