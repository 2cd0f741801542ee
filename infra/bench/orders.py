"""The work of all benchmarks: orders of a shop, of which each is placed, paid, shipped and delivered."""

import random
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from producers.store import Guard, NewEvent, Part, Write
from producers.store.hashing import NO_HASH, event_hash, event_id, microseconds
from schemas import Command, Domain, Event, Money, encode
from schemas.orders import (
    AddProduct,
    DeliverOrder,
    Line,
    OrderDelivered,
    OrderPaid,
    OrderPlaced,
    OrderShipped,
    PayOrder,
    PlaceOrder,
    ShipOrder,
)

# Of the commands, how many place a new order; the others go on with one of those that are under way.
_NEW = 0.4
_CUSTOMERS = 20_000
_PRODUCTS = 1_000
_STOCK = 1_000_000_000
_BEGIN = datetime(2026, 1, 1, tzinfo=UTC)
_STEP = timedelta(seconds=1)


class Order:
    """One order under way: who and what, its step, and the version and hash of its stream."""

    __slots__ = ("at", "customer", "hash", "id", "lines", "total", "version")

    def __init__(self, id_: str, customer: str, lines: tuple[Line, ...], at: datetime) -> None:
        self.id = id_
        self.customer = customer
        self.lines = lines
        self.total = Money(sum((line.price.amount for line in lines), Decimal(0)), "EUR")
        self.at = at
        self.version = 0
        self.hash = NO_HASH

    @property
    def skus(self) -> list[str]:
        """The products of its lines."""
        return [line.sku for line in self.lines if line.sku is not None]

    def command(self) -> Command:
        """The command of the next step."""
        match self.version:
            case 0:
                return PlaceOrder(
                    order_id=self.id, customer_id=self.customer, lines=self.lines, total=self.total, at=self.at
                )
            case 1:
                return PayOrder(order_id=self.id, amount=self.total, at=self.at)
            case 2:
                return ShipOrder(order_id=self.id, carrier="parcel", at=self.at)
        return DeliverOrder(order_id=self.id, at=self.at)

    def event(self) -> Event:
        """The event of the next step, as the rules of orders make it from the command."""
        match self.version:
            case 0:
                return OrderPlaced(
                    order_id=self.id,
                    customer_id=self.customer,
                    lines=self.lines,
                    items=sum(line.quantity for line in self.lines),
                    total=self.total,
                    at=self.at,
                )
            case 1:
                return OrderPaid(order_id=self.id, amount=self.total, at=self.at)
            case 2:
                return OrderShipped(order_id=self.id, carrier="parcel", at=self.at)
        return OrderDelivered(order_id=self.id, at=self.at)


class Orders:
    """Orders without end: each step comes once, in order, new orders and known ones mixed."""

    def __init__(self, domain: Domain, name: str) -> None:
        self._domain = domain
        self._name = name
        self._random = random.Random(7)
        self._open: list[Order] = []
        self._made = 0
        self._steps = 0

    def steps(self, count: int) -> Iterator[Order]:
        """The orders of the next steps. The caller takes each step before the next one, with `done`."""
        choose = self._random
        for _ in range(count):
            self._steps += 1
            if not self._open or choose.random() < _NEW:
                self._made += 1
                yield Order(
                    f"{self._name}-{self._made}",
                    f"customer-{choose.randrange(_CUSTOMERS)}",
                    self._lines(),
                    _at(self._steps),
                )
                continue
            index = choose.randrange(len(self._open))
            self._open[index], self._open[-1] = self._open[-1], self._open[index]
            order = self._open.pop()
            order.at = _at(self._steps)
            yield order

    def done(self, order: Order, version_hash: bytes = NO_HASH) -> None:
        """The order's step has been taken."""
        order.version += 1
        order.hash = version_hash
        if order.version < 4:
            self._open.append(order)

    def writes(self, count: int, *, guarded: bool = False) -> list[Write]:
        """Prepared writes of one event each. With `guarded`, each also takes its products from `stock`, which must be
        stored, and a new order claims a key and rests on the version of a product's stream.
        """
        made = []
        for order in self.steps(count):
            version, before, event = order.version, order.hash, order.event()
            id_, data = f"{order.id}-{version}", encode(event)
            identity = event_id(id_, 1)
            hash_ = event_hash(before, self._domain.key, order.id, version + 1, identity, order.customer, data)
            fresh = NewEvent(type(event).__name__, data, microseconds(order.at), hash_)
            made.append(
                Write(
                    command=id_,
                    fingerprint=hash_[:16],
                    stream=order.id,
                    version=version,
                    hash=before,
                    partition_key=order.customer,
                    events=(fresh,),
                    guards=self._guards(order) if guarded else (),
                    others=(Part(order.skus[0], 1, self._stocked(order.skus[0]).events[0].hash, order.skus[0], ()),)
                    if guarded and not version
                    else (),
                )
            )
            self.done(order, hash_)
        return made

    def stock(self) -> list[Write]:
        """Writes that make the products that `writes(guarded=True)` rests on, and put them into stock."""
        return [self._stocked(f"product-{number}") for number in range(_PRODUCTS)]

    def commands(self, count: int) -> list[tuple[str, Command]]:
        """Commands with their ids."""
        made = []
        for order in self.steps(count):
            made.append((f"{order.id}-{order.version}", order.command()))
            self.done(order)
        return made

    @staticmethod
    def catalogue() -> list[tuple[str, Command]]:
        """Commands, with their ids, that put all products into the catalogue; before the first of `commands`."""
        products = [f"product-{number}" for number in range(_PRODUCTS)]
        return [(f"add-{sku}", AddProduct(sku=sku, name=sku, stock=_STOCK)) for sku in products]

    def _stocked(self, sku: str) -> Write:
        data = b'{"type":"Stocked"}'
        hash_ = event_hash(NO_HASH, self._domain.key, sku, 1, event_id(f"stock-{sku}", 1), sku, data)
        return Write(
            command=f"stock-{sku}",
            fingerprint=hash_[:16],
            stream=sku,
            version=0,
            hash=NO_HASH,
            partition_key=sku,
            events=(NewEvent("Stocked", data, microseconds(_BEGIN), hash_),),
            guards=(Guard("counter", sku, _STOCK),),
        )

    def _guards(self, order: Order) -> tuple[Guard, ...]:
        counters = tuple([Guard("counter", sku, -1) for sku in set(order.skus)])
        return counters if order.version else (Guard("claim", order.id), *counters)

    def _lines(self) -> tuple[Line, ...]:
        choose = self._random
        return tuple(
            Line(
                f"product-{choose.randrange(_PRODUCTS)}",
                choose.randrange(1, 5),
                Money(_PRICES[choose.randrange(100)], "EUR"),
            )
            for _ in range(choose.randrange(1, 4))
        )


_PRICES = [Decimal(100 + 7 * number).scaleb(-2) for number in range(100)]


def _at(step: int) -> datetime:
    return _BEGIN + step * _STEP


def batches(writes: Sequence[Write], size: int) -> list[Sequence[Write]]:
    """The writes in batches."""
    return [writes[start : start + size] for start in range(0, len(writes), size)]


def lines(commands: Sequence[tuple[str, Command]]) -> bytes:
    """NDJSON of commands with their ids, as the bulk route takes it."""
    return b"".join([b'{"id":"%b","command":%b}\n' % (id_.encode(), encode(command)) for id_, command in commands])
