"""Order books: what a command leads to, and the names that are used once."""

from producers.decider import Decider, Facts
from producers.domains.trading.book import State, evolve
from producers.domains.trading.rules import decide
from producers.store import Guard
from schemas import Command
from schemas.trading import PlaceLimit, PlaceMarket


def guards(_state: State | None, command: Command, _facts: Facts) -> tuple[Guard, ...]:
    """Orders have names that are used once an instrument."""
    if not isinstance(command, PlaceLimit | PlaceMarket):
        return ()
    detail = f"there has been an order {command.order_id} of {command.instrument_id}"
    claim = f"order:{command.instrument_id}/{command.order_id}"
    return (Guard("claim", claim, rule="order-already-placed", detail=detail),)


DECIDER = Decider(decide, evolve, guards=guards, state=State)
