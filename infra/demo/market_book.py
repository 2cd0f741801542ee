"""A plain order book, which knows nothing of the pipeline: a list of orders that is searched anew for every trade."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple


class Step(NamedTuple):
    """One thing that a trader does: `kind` is limit, market, amend or cancel; 0 stands for no price, no quantity."""

    at: datetime
    kind: str
    order: str
    trader: str
    side: str = ""
    price: int = 0
    quantity: int = 0


class Trade(NamedTuple):
    """One trade: price in ticks, quantity in lots."""

    at: datetime
    price: int
    quantity: int
    buyer: str
    seller: str


@dataclass
class _Open:
    """An order in the book; the one with the least `turn` came first."""

    turn: int
    step: Step


@dataclass
class Book:
    """The open orders of one instrument by their names, and all trades so far."""

    orders: dict[str, _Open] = field(default_factory=dict)
    trades: list[Trade] = field(default_factory=list)
    turns: int = 0

    def take(self, step: Step) -> None:
        """Do what a trader asks; an order that the step means must be open."""
        if step.kind == "cancel":
            del self.orders[step.order]
        elif step.kind == "amend":
            self._amend(step)
        else:
            left = self._trade(step)
            if step.kind == "limit" and left.quantity:
                self._rest(left)

    def _amend(self, step: Step) -> None:
        known = self.orders[step.order]
        if step.price in (0, known.step.price) and 0 < step.quantity <= known.step.quantity:
            known.step = known.step._replace(quantity=step.quantity)
            return
        del self.orders[step.order]
        changed = known.step._replace(at=step.at, kind="limit")
        changed = changed._replace(price=step.price or changed.price, quantity=step.quantity or changed.quantity)
        self.take(changed)

    def _rest(self, step: Step) -> None:
        self.turns += 1
        self.orders[step.order] = _Open(self.turns, step)

    def _trade(self, step: Step) -> Step:
        """What is left of an order after its trades."""
        while step.quantity and (best := self._best(step)):
            if best.step.trader == step.trader:
                del self.orders[best.step.order]
                continue
            lots = min(step.quantity, best.step.quantity)
            step = step._replace(quantity=step.quantity - lots)
            best.step = best.step._replace(quantity=best.step.quantity - lots)
            if not best.step.quantity:
                del self.orders[best.step.order]
            pair = (step.trader, best.step.trader)
            buyer, seller = pair if step.side == "buy" else pair[::-1]
            self.trades.append(Trade(step.at, best.step.price, lots, buyer, seller))
        return step

    def _best(self, step: Step) -> _Open | None:
        """The order that one which comes trades with next."""
        sign = 1 if step.side == "buy" else -1
        others = [each for each in self.orders.values() if each.step.side != step.side]
        if step.kind == "limit":
            others = [each for each in others if sign * each.step.price <= sign * step.price]
        return min(others, key=lambda each: (sign * each.step.price, each.turn), default=None)
