"""An order book, and how events change it."""

from bisect import bisect_right
from datetime import datetime

from msgspec import Struct
from msgspec.structs import replace

from schemas import Event
from schemas.trading import InstrumentListed, OrderAmended, OrderCancelled, OrderFilled, OrderPlaced, Side


class Waiting(Struct, frozen=True, gc=False):
    """An open order in the book; `price` in ticks, `quantity` in lots."""

    order_id: str
    trader_id: str
    price: int
    quantity: int


Queue = tuple[Waiting, ...]


class State(Struct, frozen=True, gc=False):
    """A book. Each side has the order that trades next first: by price, then by time. `at` dates the last event."""

    at: datetime
    buy: Queue = ()
    sell: Queue = ()
    trades: int = 0

    def side(self, side: Side) -> Queue:
        """The orders of one side."""
        return self.buy if side == "buy" else self.sell


def evolve(state: State | None, event: Event) -> State | None:
    """The book after an event. Within the events of one command it may be crossed; after them it never is."""
    match event:
        case InstrumentListed(at=at):
            return State(at)
        case OrderPlaced(side=side, price=int(price)) if state is not None:
            order = Waiting(event.order_id, event.trader_id, price, event.quantity)
            return _with(state, side, _queued(state.side(side), side, order), event.at)
        case OrderFilled(side=side) if state is not None:
            after = _with(state, side, _less(state.side(side), event.order_id, event.quantity), event.at)
            return replace(after, trades=event.trade)
        case OrderCancelled(side=side) if state is not None:
            return _with(state, side, _less(state.side(side), event.order_id, event.quantity), event.at)
        case OrderAmended(side=side) if state is not None:
            return _with(state, side, _amended(state.side(side), event), event.at)
        case OrderPlaced(at=at) if state is not None:
            return replace(state, at=at)
    return state


def _with(state: State, side: Side, queue: Queue, at: datetime) -> State:
    return replace(state, at=at, buy=queue) if side == "buy" else replace(state, at=at, sell=queue)


def _queued(queue: Queue, side: Side, order: Waiting) -> Queue:
    """The queue with an order behind all of its price and of better ones."""
    sign = -1 if side == "buy" else 1
    place = bisect_right(queue, sign * order.price, key=lambda each: sign * each.price)
    return (*queue[:place], order, *queue[place:])


def _less(queue: Queue, order_id: str, quantity: int) -> Queue:
    """The queue with so many lots less of an order; a market order was never in it."""
    for place, order in enumerate(queue):
        if order.order_id == order_id:
            left = order.quantity - quantity
            kept = (replace(order, quantity=left),) if left else ()
            return (*queue[:place], *kept, *queue[place + 1 :])
    return queue


def _amended(queue: Queue, event: OrderAmended) -> Queue:
    order = Waiting(event.order_id, event.trader_id, event.price, event.quantity)
    if event.keeps_place:
        return tuple(order if each.order_id == event.order_id else each for each in queue)
    return _queued(tuple(each for each in queue if each.order_id != event.order_id), event.side, order)
