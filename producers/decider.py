"""What a domain's module in `producers.domains` provides: `DECIDER`, two pure functions and its guards."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from msgspec import Struct

from producers.store import Guard
from schemas import Command, Event


class Facts(Struct, frozen=True):
    """What the handler looked up for a decision. `now` is the instant of the decision, in UTC."""

    now: datetime


def _unguarded(_state: Any, _command: Any) -> tuple[Guard, ...]:
    return ()


@dataclass(frozen=True)
class Decider:
    """The rules of one domain. The state is any value; None before a stream's first event.

    `decide(state, command, facts)` gives the events that the command causes, and raises Refused or NotFound with
    the rule that forbids it. `evolve(state, event)` gives the state after an event and never fails. `guards(state,
    command)` gives the facts besides the stream itself that must still hold when the events are stored.
    """

    decide: Callable[[Any, Any, Facts], tuple[Event, ...]]
    evolve: Callable[[Any, Any], Any]
    guards: Callable[[Any, Command], tuple[Guard, ...]] = _unguarded
