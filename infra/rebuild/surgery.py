"""The rebuild of some partition keys alone, in place, by the workers that own them."""

from collections.abc import Callable, Iterable
from contextlib import closing
from datetime import datetime

from infra.history import Recorded
from infra.letters import Answer, DeadLetters
from infra.stack import Addresses
from producers.history import WholeHistory
from producers.history.touched import Touched
from schemas import Conflict, Domain, Fatal, Invalid, NotFound


def keys_of_streams(postgres: str, domain: Domain, streams: Iterable[str]) -> list[str]:
    """The partition keys of streams. Raises NotFound for a stream without events."""
    asked = list(dict.fromkeys(streams))
    with closing(Touched(postgres, domain)) as touched:
        found = touched.of_streams(asked)
    missing = [stream for stream in asked if stream not in found]
    if missing:
        raise NotFound(f"{domain.name} has no stream {missing[0]!r}", rule="unknown-stream", field="streams")
    return sorted(set(found.values()))


def keys_between(history: Recorded, postgres: str, domain: Domain, first: str | None, last: str | None) -> list[str]:
    """The partition keys with events from one position to another, or appended after one instant and by another."""
    head = history.head()
    start = 1 if first is None else _position(history, first, "from", first_of=True)
    end = head if last is None else min(_position(history, last, "to", first_of=False), head)
    if start > end:
        raise Invalid(f"{domain.name} has no event from {first} to {last}; it has {head}", field="from")
    with closing(Touched(postgres, domain)) as touched:
        return sorted(touched.of_positions(start, end))


def _position(history: Recorded, text: str, field: str, *, first_of: bool) -> int:
    if text.isascii() and text.isdecimal():
        return int(text)
    try:
        instant = datetime.fromisoformat(text)
    except ValueError as error:
        raise Invalid(
            f"--{field} must be a position, or an instant as 2026-01-31T12:00:00Z, not {text!r}", field=field
        ) from error
    if instant.tzinfo is None:
        raise Invalid(f"--{field} needs a time zone, as 2026-01-31T12:00:00Z", field=field)
    return history.position_at(instant) + first_of


def refold(at: Addresses, live: Domain, keys: list[str], seconds: float, show: Callable[[Answer], None]) -> list[str]:
    """Ask the workers of all builds to fold these keys anew; `show` gets each answer of the live build's.

    Answers the keys without one in this time: their requests stand. Raises Conflict when the event store was trimmed:
    then a worker could not fold a key from its first event on, and would hold it.
    """
    with closing(WholeHistory(at.postgres, live)) as history:
        try:
            history.at(1)
        except Fatal as error:
            raise Conflict(
                f"the event store has the first events of {live.name} no more, and keys are folded from it alone: "
                "rebuild whole tables, whose first events come from the archive",
                rule="history-was-trimmed",
            ) from error
    return DeadLetters(at.kafka, live).refold(keys, seconds, show)
