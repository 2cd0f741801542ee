"""What a domain declares in this stage: one pure fold for each of its aggregates."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from schemas import Envelope, Event
from streams.windows import Windows


@dataclass(frozen=True)
class Fold:
    """How the table of one aggregate is folded from the events.

    `key` gives the key of the row that an event concerns. All events of one row must have one partition key.
    `fold(value, event, envelope)` gives the row's next value from the present one (None: there is no row) and must
    be pure. To answer with the very value it was given changes nothing, and nothing is written; None removes the
    row. A fold that raises holds the event's partition key: nothing more of that key is applied in any table.

    With `events`, neither is called for events of other types. Without, both are called for all but `Ticked`.

    With `window` there is a row for each key and window, and the fold is called as
    `fold(value, event, envelope, window)` for each window that the event falls into and does not come too late for.
    The row's type must have a field `final: bool`, which is set once the window is closed; if it has a field
    `late: int`, that counts the events that came too late for a window that has a row.
    """

    aggregate: str
    key: Callable[[Envelope[Any]], str]
    fold: Callable[..., Any]
    events: tuple[type[Event], ...] = ()
    window: Windows | None = None


def by_stream(envelope: Envelope[Any]) -> str:
    """Row key: the stream id."""
    return envelope.subject


def by_partition_key(envelope: Envelope[Any]) -> str:
    """Row key: the partition key."""
    return envelope.partitionkey
