"""What a domain's module in `producers.domains` provides: `DECIDER`, pure functions and what they need to know."""

from collections.abc import Callable, Mapping, Set
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from msgspec import Struct

from producers.store import Guard
from schemas import Event


class Needs(Struct, frozen=True, gc=False):
    """What a decision needs to know besides its own stream; it may write the streams too."""

    streams: tuple[str, ...] = ()
    counters: tuple[str, ...] = ()
    claims: tuple[str, ...] = ()


NOTHING = Needs()


class Facts(Struct, frozen=True):
    """What the handler looked up for a decision, as its `Needs` asked.

    `now` is the instant of the decision, in UTC. `streams` has the states by stream id (None before a stream's first
    event), `counters` the values, `claims` those of the keys that are claimed. Whatever is looked up here still holds
    when the events are stored, or the command is decided anew: the handler sees to that.
    """

    now: datetime
    streams: Mapping[str, Any] = {}
    counters: Mapping[str, int] = {}
    claims: Set[str] = frozenset()


class On(Struct, frozen=True):
    """An event for another stream than the command's own; the stream must be one of `Needs.streams`."""

    stream: str
    event: Event


def _nothing(_command: Any) -> Needs:
    return NOTHING


def _unguarded(_state: Any, _command: Any, _facts: Facts) -> tuple[Guard, ...]:
    return ()


@dataclass(frozen=True)
class Decider:
    """The rules of one domain. The state is any value; None before a stream's first event.

    `decide(state, command, facts)` gives the events that the command causes, and raises Refused or NotFound with
    the rule that forbids it. `evolve(state, event)` gives the state after an event and never fails. `needs(command)`
    says what to look up in `facts`. `guards(state, command, facts)` gives the claims that the command takes or gives
    back and the counters that it moves.

    `state` is the type of the state, something that msgspec can write as JSON and read again: then long streams get
    snapshots of it, which are made anew when this type or the modules of the domain change. Raise `revision` when
    other code changes on which `evolve` depends.

    `revert(now, then, facts)` gives the events that bring a stream from the state `now` back to an earlier one,
    and the guards that they need; it raises Refused with the rule `rollback-not-allowed` for what must not be undone.
    Without it nothing of the domain can be rolled back.
    """

    decide: Callable[[Any, Any, Facts], tuple[Event | On, ...]]
    evolve: Callable[[Any, Any], Any]
    needs: Callable[[Any], Needs] = _nothing
    guards: Callable[[Any, Any, Facts], tuple[Guard, ...]] = _unguarded
    state: Any = None
    revision: int = 1
    revert: Callable[[Any, Any, Facts], tuple[Event | Guard, ...]] | None = None
