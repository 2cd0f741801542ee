"""What a domain declares in this stage: one pure fold for each of its aggregates."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from schemas import Envelope


@dataclass(frozen=True)
class Fold:
    """How the table of one aggregate is folded from the events.

    `key` gives the key of the row that an event concerns. All events of one row must have one partition key.
    `fold(value, event, envelope)` gives the row's next value from the present one (None: there is no row) and must
    be pure. To answer with the very value it was given changes nothing, and nothing is written; None removes the
    row. A fold that raises holds the event's partition key: nothing more of that key is applied in any table.
    """

    aggregate: str
    key: Callable[[Envelope[Any]], str]
    fold: Callable[[Any, Any, Envelope[Any]], Any]


def by_stream(envelope: Envelope[Any]) -> str:
    """Row key: the stream id."""
    return envelope.subject


def by_partition_key(envelope: Envelope[Any]) -> str:
    """Row key: the partition key."""
    return envelope.partitionkey
