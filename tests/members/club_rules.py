"""One joins once, and what one says of oneself is only compared."""

from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from producers.decider import Decider, Facts
from schemas import NotFound, Refused
from tests.members.club import Join, Joined, Rename, Renamed, Visit, Visited


class State(Struct, frozen=True):
    """A member as far as the rules need it."""

    name: str


def decide(state: State | None, command: Any, facts: Facts) -> tuple[Any, ...]:
    if isinstance(command, Join):
        if state is not None:
            raise Refused(f"{command.member_id} is a member", rule="is-member")
        return (Joined(member_id=command.member_id, name=command.name, email=command.email, at=facts.now),)
    if state is None:
        raise NotFound(f"{command.member_id} is no member", rule="no-member")
    match command:
        case Rename(member_id=member, name=name):
            return () if name == state.name else (Renamed(member_id=member, name=name, at=facts.now),)
        case Visit(member_id=member, remark=remark):
            return (Visited(member_id=member, remark=remark, at=facts.now),)
    raise TypeError(type(command).__name__)


def evolve(state: State | None, event: Any) -> State | None:
    if isinstance(event, Joined):
        return State(event.name)
    return replace(state, name=event.name) if state is not None and isinstance(event, Renamed) else state


DECIDER = Decider(decide, evolve, state=State)
