"""A domain for tests: products with a price and a unique name, which may be rolled back until they are withdrawn."""

from datetime import datetime
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from producers import Decider, Facts, Guard
from schemas import Aggregate, Command, Domain, Event, Id, Instant, NotFound, Refused


class AddProduct(Command, frozen=True, kw_only=True):
    """Add a product."""

    product_id: Id
    name: str
    price: int


class ChangeProduct(Command, frozen=True, kw_only=True):
    """Change name and price of a product."""

    product_id: Id
    name: str
    price: int


class WithdrawProduct(Command, frozen=True, kw_only=True):
    """Sell a product no more."""

    product_id: Id


class ProductAdded(Event, frozen=True, kw_only=True):
    """A product was added."""

    product_id: str
    name: str
    price: int
    at: Instant


class ProductChanged(Event, frozen=True, kw_only=True):
    """A product was changed."""

    product_id: str
    name: str
    price: int
    at: Instant


class ProductWithdrawn(Event, frozen=True, kw_only=True):
    """A product is sold no more."""

    product_id: str
    at: Instant


class State(Struct, frozen=True):
    """A product. `changes` counts its events."""

    product_id: str
    name: str
    price: int
    withdrawn: bool
    changes: int
    since: datetime


def decide(state: State | None, command: Command, facts: Facts) -> tuple[Event, ...]:
    match command:
        case AddProduct(product_id=product, name=name, price=price):
            if state is not None:
                raise Refused(f"product {product} is there already", rule="product-exists")
            return (ProductAdded(product_id=product, name=name, price=price, at=facts.now),)
        case ChangeProduct(product_id=product, name=name, price=price):
            _existing(state)
            return (ProductChanged(product_id=product, name=name, price=price, at=facts.now),)
        case WithdrawProduct(product_id=product):
            _existing(state)
            return (ProductWithdrawn(product_id=product, at=facts.now),)
    raise TypeError(type(command).__name__)


def evolve(state: State | None, event: Event) -> State | None:
    match event:
        case ProductAdded():
            return State(event.product_id, event.name, event.price, False, 1, event.at)
        case ProductChanged():
            return state and replace(state, name=event.name, price=event.price, changes=state.changes + 1)
        case ProductWithdrawn():
            return state and replace(state, withdrawn=True, changes=state.changes + 1)
    return state


def guards(state: State | None, command: Any, _facts: Facts) -> tuple[Guard, ...]:
    return () if isinstance(command, WithdrawProduct) else _renamed(state.name if state else None, command.name)


def revert(now: State, then: State, facts: Facts) -> tuple[Event | Guard, ...]:
    if now.withdrawn:
        raise Refused(f"product {now.product_id} was withdrawn for good", rule="rollback-not-allowed")
    if (now.name, now.price) == (then.name, then.price):
        return ()
    changed = ProductChanged(product_id=now.product_id, name=then.name, price=then.price, at=facts.now)
    return (changed, *_renamed(now.name, then.name))


def _renamed(old: str | None, new: str) -> tuple[Guard, ...]:
    if old == new:
        return ()
    claim = Guard("claim", f"name {new}", rule="name-taken", detail=f"the name {new} is taken")
    return (claim,) if old is None else (claim, Guard("release", f"name {old}"))


def _existing(state: State | None) -> State:
    if state is None:
        raise NotFound("there is no such product", rule="no-product")
    return state


DECIDER = Decider(decide, evolve, guards=guards, state=State, revert=revert)


def products(namespace: str = "") -> Domain:
    return Domain(
        name="products",
        commands=(AddProduct, ChangeProduct, WithdrawProduct),
        events=(ProductAdded, ProductChanged, ProductWithdrawn),
        aggregates=(Aggregate("products", State),),
        stream_of=lambda command: command.product_id,
        event_time=lambda event: event.at,
        namespace=namespace,
    )
