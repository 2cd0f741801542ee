"""The domain of `bench fold`: an order that is placed, paid, shipped and delivered again and again, and its fold.

It is planted for the run alone: no stage has a module of it.
"""

import sys
from decimal import Decimal
from types import ModuleType
from typing import Any

from msgspec import Struct

from schemas import Aggregate, Command, Domain, Envelope, Event, Instant
from streams.fold import Fold, by_stream

NAME = "bench_orders"
PARTITIONS = 4
PLACED = "OrderPlaced"


class PlaceOrder(Command, frozen=True):
    """Not used: a domain has at least one command."""

    order_id: str


class _Step(Event, frozen=True, kw_only=True):
    """One step of an order."""

    order_id: str
    customer_id: str
    amount: Decimal
    currency: str


class OrderPlaced(_Step, frozen=True, kw_only=True):
    """The order was placed, once more."""


class OrderPaid(_Step, frozen=True, kw_only=True):
    """The order was paid."""


class OrderShipped(_Step, frozen=True, kw_only=True):
    """The order was shipped."""


class OrderDelivered(_Step, frozen=True, kw_only=True):
    """The order was delivered."""


STEPS = (OrderPlaced, OrderPaid, OrderShipped, OrderDelivered)


class Standing(Struct, frozen=True):
    """How an order stands: the version of its stream, the last event's type, and the sum of all that was placed."""

    version: int
    status: str
    amount: Decimal


def standing(value: Standing | None, event: Event, envelope: Envelope[Any]) -> Standing:
    """The standing after one more event; every event changes it."""
    amount = Decimal(0) if value is None else value.amount
    if type(event) is OrderPlaced:
        amount += event.amount
    return Standing(envelope.sequence, envelope.type, amount)


FOLDS = (Fold("orders", key=by_stream, fold=standing),)


def _no_instant(_: Any) -> Instant:
    raise NotImplementedError("nothing is appended to this domain")


def domain(namespace: str, projection: int = 1) -> Domain:
    """The domain in a namespace."""
    return Domain(
        name=NAME,
        commands=(PlaceOrder,),
        events=STEPS,
        aggregates=(Aggregate("orders", Standing),),
        stream_of=lambda command: str(command.order_id),
        event_time=_no_instant,
        partitions=PARTITIONS,
        projection=projection,
        namespace=namespace,
    )


def plant() -> None:
    """Let this process find the folds where those of every domain are looked for."""
    module = ModuleType(f"streams.domains.{NAME}")
    module.FOLDS = FOLDS  # type: ignore[attr-defined]  # as the modules of the stage have it
    sys.modules[module.__name__] = module
