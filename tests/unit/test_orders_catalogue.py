"""The rules of the catalogue and of the stock, over the event store in memory."""

import asyncio
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from producers import CommandHandler, MemoryEventStore, Receipt, Request
from producers.domains.orders import DECIDER
from schemas import Command, HeadraceError, Money
from schemas.orders import (
    DOMAIN,
    AddProduct,
    CancelOrder,
    ChangeProduct,
    Line,
    PlaceOrder,
    RestockProduct,
    WithdrawProduct,
)
from tests.order_commands import DAY, money

CD = AddProduct(sku="cd", name="A CD", stock=5, at=DAY)


def order(name: str, quantity: int = 1, *, sku: str | None = "cd", price: Money | None = None) -> PlaceOrder:
    total = price or money()
    return PlaceOrder(order_id=name, customer_id="c", lines=(Line(sku, quantity, total),), total=total, at=DAY)


def shop(*commands: Command, store: MemoryEventStore | None = None) -> list[str]:
    """The rules that refused the commands; nothing for an accepted one."""
    store = store or MemoryEventStore(DOMAIN)

    async def main() -> list[Any]:
        handler = CommandHandler(DOMAIN, DECIDER, store)
        try:
            return await handler.submit([Request(c, f"{store.head().position}-{n}") for n, c in enumerate(commands)])
        finally:
            await handler.close()

    return [result.rule if isinstance(result, HeadraceError) else "" for result in asyncio.run(main())]


def stock(store: MemoryEventStore, sku: str = "cd") -> int:
    return store.load({}, [f"stock:{sku}"]).counters[f"stock:{sku}"]


def test_an_order_takes_from_the_stock_and_a_cancellation_puts_back() -> None:
    store = MemoryEventStore(DOMAIN)
    assert shop(CD, order("a", 3), order("b", 3), order("c", 2), store=store) == ["", "", "out-of-stock", ""]
    assert stock(store) == 0
    assert shop(CancelOrder(order_id="a", reason="no"), order("b", 3), order("d"), store=store) == [
        "",
        "",
        "out-of-stock",
    ]
    assert shop(RestockProduct(sku="cd", quantity=1), order("d"), store=store) == ["", ""]
    assert stock(store) == 0


def test_the_pieces_of_all_lines_count_together() -> None:
    lines = (Line("cd", 3, money()), Line("dvd", 1, money()), Line("cd", 3, money()), Line(None, 99, money()))
    both = PlaceOrder(order_id="a", customer_id="c", lines=lines, total=money("40.00"), at=DAY)
    dvd = AddProduct(sku="dvd", name="A DVD", stock=1, at=DAY)
    store = MemoryEventStore(DOMAIN)
    assert shop(CD, dvd, both, store=store) == ["", "", "out-of-stock"]
    assert (stock(store), stock(store, "dvd")) == (5, 1)
    assert shop(RestockProduct(sku="cd", quantity=1), both, store=store) == ["", ""]
    assert (stock(store), stock(store, "dvd")) == (0, 0)


@pytest.mark.parametrize(
    ("commands", "rule"),
    [
        ([order("a", sku="lp")], "unknown-product"),
        ([CD], "product-already-added"),
        ([WithdrawProduct(sku="cd"), order("a")], "product-withdrawn"),
        ([WithdrawProduct(sku="cd"), RestockProduct(sku="cd", quantity=1)], "product-withdrawn"),
        ([WithdrawProduct(sku="cd"), WithdrawProduct(sku="cd")], "product-withdrawn"),
        ([ChangeProduct(sku="lp", name="An LP")], "unknown-product"),
        ([ChangeProduct(sku="cd", name="A CD", price=money("3.00")), order("a", 2)], "price-mismatch"),
        ([ChangeProduct(sku="cd", name="A CD", price=money("3.00", "USD")), order("a", 2)], "currency-mismatch"),
        ([order("product:cd", sku=None)], "reserved-name"),
    ],
)
def test_the_last_command_is_refused(commands: list[Command], rule: str) -> None:
    assert shop(CD, *commands) == [""] * len(commands) + [rule]


def test_a_product_is_sold_at_its_price() -> None:
    change = ChangeProduct(sku="cd", name="A CD", price=money("3.00"))
    assert shop(CD, change, order("a", 2, price=money("6.00")), order("b", price=money("3.00"))) == [""] * 4


def test_products_and_orders_are_streams_of_their_own() -> None:
    store = MemoryEventStore(DOMAIN)
    shop(CD, order("cd"), store=store)
    assert [(event.stream, event.partition_key) for event in store.read(0, 9)] == [
        ("product:cd", "product:cd"),
        ("cd", "c"),
    ]


STEPS = st.lists(
    st.one_of(
        st.integers(1, 4).map(lambda n: ("order", n)),
        st.integers(0, 30).map(lambda n: ("cancel", n)),
        st.integers(1, 4).map(lambda n: ("restock", n)),
    ),
    max_size=30,
)


@settings(max_examples=60, deadline=None)
@given(STEPS)
def test_the_stock_is_what_came_in_less_what_is_ordered_and_never_negative(steps: list[tuple[str, int]]) -> None:
    commands: list[Command] = [CD]
    for number, (step, n) in enumerate(steps):
        commands.append(
            order(f"o{number}", n)
            if step == "order"
            else CancelOrder(order_id=f"o{n}", reason="no")
            if step == "cancel"
            else RestockProduct(sku="cd", quantity=n)
        )
    store = MemoryEventStore(DOMAIN)
    results = shop(*commands, store=store)
    left, held = 0, dict[str, int]()
    for command, refusal in zip(commands, results, strict=True):
        match command:
            case AddProduct():
                left += command.stock
            case RestockProduct():
                left += command.quantity
            case PlaceOrder():
                wanted = command.lines[0].quantity
                assert (refusal == "out-of-stock") == (wanted > left)
                if not refusal:
                    left, held[command.order_id] = left - wanted, wanted
            case CancelOrder() if not refusal:
                left += held.pop(command.order_id)
        assert left >= 0
    assert stock(store) == left


def test_a_receipt_counts_the_order_alone() -> None:
    async def main() -> Receipt:
        handler = CommandHandler(DOMAIN, DECIDER, MemoryEventStore(DOMAIN))
        results = await handler.submit([Request(CD, "1"), Request(order("a"), "2")])
        await handler.close()
        assert isinstance(results[1], Receipt)
        return results[1]

    receipt = asyncio.run(main())
    assert (receipt.stream, receipt.version, len(receipt.event_ids)) == ("a", 1, 1)
