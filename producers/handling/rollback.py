"""Rolling a stream back: new events that bring it to the state of an earlier version. Nothing is ever removed."""

from typing import Any

from producers.decider import Decider, Facts
from producers.store import Guard
from schemas import Command, Event, NotFound, Refused


class Rollback(Command, frozen=True, kw_only=True):
    """Bring `stream` back to the state that it had at `version`. Every domain's handler takes it."""

    stream: str
    version: int


def revert(
    decider: Decider, command: Rollback, now: Any, version: int, then: Any, facts: Facts
) -> tuple[tuple[Event, ...], tuple[Guard, ...]]:
    """The events that bring the state `now`, of a stream at `version`, to `then`, and their guards.

    Raises Refused where the domain does not allow it, NotFound for a version that the stream does not have.
    """
    if decider.revert is None:
        raise Refused(
            "streams of this domain cannot be rolled back; send a command that puts it right",
            rule="rollback-not-allowed",
        )
    if command.version > version:
        raise NotFound(
            f"stream {command.stream} has no version {command.version}; its current version is {version}",
            rule="unknown-version",
            field="version",
        )
    made = decider.revert(now, then, facts)
    return (
        tuple([event for event in made if isinstance(event, Event)]),
        tuple([guard for guard in made if isinstance(guard, Guard)]),
    )
