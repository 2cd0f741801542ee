"""Trading: one order book an instrument, limit and market orders, trades by price and time, positions.

Prices are whole ticks; an instrument says of how many decimals a tick is (5: a tick is 0.00001 of its currency).
Quantities are whole lots. Money is ticks times lots, so that nothing is ever rounded but the cost of a part of a
position.
"""

from typing import Annotated, Literal

from msgspec import Meta, Struct

from schemas import Aggregate, Command, Domain, Event, Id, Instant

Price = Annotated[int, Meta(ge=1, le=1_000_000_000, description="A price in ticks of the instrument.")]
Lots = Annotated[int, Meta(ge=1, le=1_000_000_000, description="A quantity in lots.")]
Decimals = Annotated[int, Meta(ge=0, le=9, description="A tick is 10 to the power of minus this, of the currency.")]
Currency = Annotated[str, Meta(pattern=r"^[A-Z]{3}\Z", description="A currency, ISO 4217.")]
Side = Literal["buy", "sell"]
Kind = Literal["limit", "market"]
Role = Literal["maker", "taker"]
Reason = Literal["asked", "unfilled", "own-order"]
Status = Literal["open", "filled", "cancelled"]


class ListInstrument(Command, frozen=True, kw_only=True):
    """Open the book of an instrument. `at`: when (default: now)."""

    instrument_id: Id
    currency: Currency
    decimals: Decimals
    at: Instant | None = None


class PlaceLimit(Command, frozen=True, kw_only=True):
    """Buy or sell at `price` or better; what finds nobody waits in the book. `order_id` is used once an instrument."""

    instrument_id: Id
    order_id: Id
    trader_id: Id
    side: Side
    price: Price
    quantity: Lots
    at: Instant | None = None


class PlaceMarket(Command, frozen=True, kw_only=True):
    """Buy or sell at the best prices there are; what finds nobody is cancelled at once."""

    instrument_id: Id
    order_id: Id
    trader_id: Id
    side: Side
    quantity: Lots
    at: Instant | None = None


class CancelOrder(Command, frozen=True, kw_only=True):
    """Take an open order out of the book."""

    instrument_id: Id
    order_id: Id
    trader_id: Id
    at: Instant | None = None


class AmendOrder(Command, frozen=True, kw_only=True):
    """Change the price of an open order, or how many lots of it are open.

    Fewer lots at the same price keep the place in the queue; anything else goes to its end and may trade at once.
    """

    instrument_id: Id
    order_id: Id
    trader_id: Id
    price: Price | None = None
    quantity: Lots | None = None
    at: Instant | None = None


class InstrumentListed(Event, frozen=True, kw_only=True):
    """The book of an instrument was opened, with nothing in it."""

    instrument_id: str
    currency: str
    decimals: int
    at: Instant


class OrderPlaced(Event, frozen=True, kw_only=True):
    """An order came; what it trades at once follows. `price` is null for a market order."""

    instrument_id: str
    order_id: str
    trader_id: str
    side: Side
    kind: Kind
    price: int | None
    quantity: int
    at: Instant


class OrderFilled(Event, frozen=True, kw_only=True):
    """An order traded. Each trade has two: one for the order that waited (maker) and one for that which came (taker).

    `trade` counts the trades of an instrument from 1; the price is the maker's.
    """

    instrument_id: str
    order_id: str
    trader_id: str
    side: Side
    role: Role
    trade: int
    price: int
    quantity: int
    other_order: str
    counterparty: str
    at: Instant


class OrderAmended(Event, frozen=True, kw_only=True):
    """An open order has this price and so many open lots from now on; what it trades at once follows."""

    instrument_id: str
    order_id: str
    trader_id: str
    side: Side
    price: int
    quantity: int
    keeps_place: bool
    at: Instant


class OrderCancelled(Event, frozen=True, kw_only=True):
    """The open lots of an order left the book: its trader asked, a market order found nobody else, or an order of the
    same trader would have traded with it.
    """

    instrument_id: str
    order_id: str
    trader_id: str
    side: Side
    quantity: int
    reason: Reason
    at: Instant


class Instrument(Struct, frozen=True, kw_only=True):
    """One instrument; `turnover` is in ticks times lots. Before the first trade there is no last price."""

    instrument_id: str
    currency: str
    decimals: int
    listed_at: Instant
    orders: int = 0
    trades: int = 0
    volume: int = 0
    turnover: int = 0
    last_price: int | None = None
    last_at: Instant | None = None


class Order(Struct, frozen=True, kw_only=True):
    """One order. `quantity` is always what was filled, is open and was cancelled, together."""

    instrument_id: str
    order_id: str
    trader_id: str
    side: Side
    kind: Kind
    price: int | None
    status: Status
    quantity: int
    open: int
    filled: int
    cancelled: int
    turnover: int
    placed_at: Instant
    changed_at: Instant


class Position(Struct, frozen=True, kw_only=True):
    """What a trader has of an instrument: `quantity` in lots, less than 0 when sold short.

    `cost` is what the open lots cost at average cost, `realised` the profit or loss on closed ones, both in ticks times
    lots. `realised - cost` is exactly the money that came less the money that went.
    """

    instrument_id: str
    trader_id: str
    quantity: int
    cost: int
    realised: int
    bought: int
    sold: int
    fills: int
    changed_at: Instant


DOMAIN = Domain(
    name="trading",
    commands=(ListInstrument, PlaceLimit, PlaceMarket, CancelOrder, AmendOrder),
    events=(InstrumentListed, OrderPlaced, OrderFilled, OrderAmended, OrderCancelled),
    aggregates=(Aggregate("instruments", Instrument), Aggregate("orders", Order), Aggregate("positions", Position)),
    stream_of=lambda command: command.instrument_id,
    event_time=lambda event: event.at,
)
