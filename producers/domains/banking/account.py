"""An account as far as the rules need it, and how events change it."""

from datetime import datetime
from decimal import Decimal

from msgspec import Struct
from msgspec.structs import replace

from schemas import Event
from schemas.banking import (
    AccountClosed,
    AccountOpened,
    HoldCaptured,
    HoldPlaced,
    HoldReleased,
    LimitChanged,
    entries,
)


class State(Struct, frozen=True, gc=False):
    """`at` is the date of the last event; `holds` are those that have not ended, by their names."""

    currency: str
    limit: Decimal
    at: datetime
    balance: Decimal = Decimal(0)
    holds: dict[str, Decimal] = {}
    closed: bool = False

    @property
    def available(self) -> Decimal:
        """What may be paid from the account: balance and limit, less what is set aside."""
        return self.balance + self.limit - sum(self.holds.values())


def evolve(state: State | None, event: Event) -> State | None:
    """The account after an event."""
    if isinstance(event, AccountOpened):
        return State(event.currency, event.limit.amount, event.at)
    if state is None:
        return None
    state = replace(state, at=event.at)  # type: ignore[attr-defined]  # all events of the domain have it
    for entry in entries(event)[:1]:
        state = replace(state, balance=state.balance + entry.amount)
    match event:
        case HoldPlaced():
            return replace(state, holds={**state.holds, event.hold_id: event.amount.amount})
        case HoldCaptured() | HoldReleased():
            return replace(state, holds={name: held for name, held in state.holds.items() if name != event.hold_id})
        case LimitChanged():
            return replace(state, limit=event.limit.amount)
        case AccountClosed():
            return replace(state, closed=True)
    return state
