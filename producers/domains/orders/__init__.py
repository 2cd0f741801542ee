"""Orders and the catalogue that they are placed from.

An order takes its pieces from the stock: a counter for each SKU that never falls below nothing. A cancellation puts
them back.
"""

from typing import cast

from producers.decider import NOTHING, Decider, Facts, Needs
from producers.domains.orders import catalogue, order
from producers.domains.orders.catalogue import Product
from producers.domains.orders.order import OrderCommand, State, pieces
from producers.store import Guard
from schemas import Command, Event, Refused
from schemas.orders import (
    CATALOGUE,
    AddProduct,
    CancelOrder,
    PlaceOrder,
    ProductAdded,
    ProductChanged,
    ProductRestocked,
    ProductWithdrawn,
    RestockProduct,
    product_stream,
)

_PRODUCT_EVENTS = frozenset({ProductAdded, ProductChanged, ProductRestocked, ProductWithdrawn})


def decide(state: State | Product | None, command: Command, facts: Facts) -> tuple[Event, ...]:
    """The events of a command. Raises Refused or NotFound with the rule that forbids it."""
    if isinstance(command, CATALOGUE):
        return catalogue.decide(cast("Product | None", state), command, facts)
    return order.decide(cast("State | None", state), cast("OrderCommand", command), facts)


def evolve(state: State | Product | None, event: Event) -> State | Product | None:
    """The state after an event."""
    if type(event) in _PRODUCT_EVENTS:
        return catalogue.evolve(cast("Product | None", state), event)
    return order.evolve(cast("State | None", state), event)


def needs(command: Command) -> Needs:
    """An order needs its products."""
    if not isinstance(command, PlaceOrder):
        return NOTHING
    return Needs(streams=tuple([product_stream(sku) for sku in pieces(command.lines)]))


def guards(state: State | Product | None, command: Command, _facts: Facts) -> tuple[Guard, ...]:
    """What the command does to the stock."""
    match command:
        case PlaceOrder():
            return tuple([_take(sku, quantity) for sku, quantity in pieces(command.lines).items()])
        case CancelOrder() if isinstance(state, State):
            return tuple([_put(sku, quantity) for sku, quantity in state.pieces.items()])
        case AddProduct(stock=quantity) | RestockProduct(quantity=quantity) if quantity:
            return (_put(command.sku, quantity),)
    return ()


def revert(now: State | Product, then: State | Product | None, facts: Facts) -> tuple[Event, ...]:
    """Name and price of a product may be rolled back; what happened to an order, or to the stock, is not undone."""
    if isinstance(now, Product) and isinstance(then, Product):
        return catalogue.revert(now, then, facts)
    raise Refused("an order is not undone by a rollback: cancel it", rule="rollback-not-allowed")


def _take(sku: str, quantity: int) -> Guard:
    return Guard(
        "counter", f"stock:{sku}", -quantity, 0, "out-of-stock", f"there are fewer than {quantity} of {sku} in stock"
    )


def _put(sku: str, quantity: int) -> Guard:
    return Guard("counter", f"stock:{sku}", quantity)


DECIDER = Decider(decide, evolve, needs, guards, state=State | Product, revert=revert)
