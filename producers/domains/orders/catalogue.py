"""The rules of the catalogue: products are added once, changed, restocked, withdrawn; orders are held against them."""

from datetime import datetime

from msgspec import Struct
from msgspec.structs import replace

from producers.decider import Facts
from schemas import Command, Event, Money, NotFound, Refused
from schemas.orders import (
    AddProduct,
    ChangeProduct,
    Line,
    ProductAdded,
    ProductChanged,
    ProductRestocked,
    ProductWithdrawn,
    RestockProduct,
    WithdrawProduct,
    product_stream,
)


class Product(Struct, frozen=True, gc=False, tag="product"):
    """What the rules need to know of a product. Its stock is a counter, not part of this."""

    sku: str
    name: str
    price: Money | None
    withdrawn: bool = False


def decide(state: Product | None, command: Command, facts: Facts) -> tuple[Event, ...]:
    """The events of a command. Raises Refused or NotFound with the rule that forbids it."""
    match command:
        case AddProduct(sku=sku):
            if state is not None:
                raise Refused(f"product {sku} is in the catalogue already", rule="product-already-added", field="sku")
            return (
                ProductAdded(
                    sku=sku, name=command.name, price=command.price, stock=command.stock, at=_at(command.at, facts)
                ),
            )
        case ChangeProduct(sku=sku):
            _sold(state, sku)
            return (ProductChanged(sku=sku, name=command.name, price=command.price, at=_at(command.at, facts)),)
        case RestockProduct(sku=sku):
            _sold(state, sku)
            return (ProductRestocked(sku=sku, quantity=command.quantity, at=_at(command.at, facts)),)
        case WithdrawProduct(sku=sku):
            _sold(state, sku)
            return (ProductWithdrawn(sku=sku, at=_at(command.at, facts)),)
    raise TypeError(f"{type(command).__name__} is no command of the catalogue")


def evolve(state: Product | None, event: Event) -> Product | None:
    """The product after an event."""
    match event:
        case ProductAdded():
            return Product(event.sku, event.name, event.price)
        case ProductChanged():
            return state and replace(state, name=event.name, price=event.price)
        case ProductWithdrawn():
            return state and replace(state, withdrawn=True)
    return state


def revert(now: Product, then: Product, facts: Facts) -> tuple[Event, ...]:
    """The events that give a product its earlier name and price again. Raises Refused when it was withdrawn since."""
    if now.withdrawn != then.withdrawn:
        raise Refused(f"{now.sku} was withdrawn, which is not undone", rule="rollback-not-allowed")
    if now == then:
        return ()
    return (ProductChanged(sku=now.sku, name=then.name, price=then.price, at=facts.now),)


def check_line(number: int, line: Line, facts: Facts) -> None:
    """Hold line `number` of an order against its product. Raises Refused."""
    product: Product | None = facts.streams[product_stream(line.sku or "")]
    if product is None:
        raise Refused(f"{line.sku} is not in the catalogue", rule="unknown-product", field=f"lines[{number}].sku")
    if product.withdrawn:
        raise Refused(f"{line.sku} is not sold any more", rule="product-withdrawn", field=f"lines[{number}].sku")
    if product.price is None:
        return
    field = f"lines[{number}].price"
    if product.price.currency != line.price.currency:
        raise Refused(f"{line.sku} is sold in {product.price.currency}", rule="currency-mismatch", field=field)
    due = product.price.amount * line.quantity
    if due != line.price.amount:
        raise Refused(
            f"{line.quantity} of {line.sku} cost {due} {product.price.currency}", rule="price-mismatch", field=field
        )


def _sold(state: Product | None, sku: str) -> None:
    if state is None:
        raise NotFound(f"{sku} is not in the catalogue", rule="unknown-product", field="sku")
    if state.withdrawn:
        raise Refused(f"{sku} is not sold any more", rule="product-withdrawn", field="sku")


def _at(at: datetime | None, facts: Facts) -> datetime:
    return facts.now if at is None else at
