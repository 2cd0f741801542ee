"""What goes into a run of the folds, and what comes out of it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from msgspec.structs import replace

from schemas import Control, encode
from streams.failures import DeadLetter, Held, read_held
from streams.windows import Ending

_ASKED = Held(position=0, event_id="", offset=-1, error="")  # of a key that is refolded though it was not held
# What changes on the held topic: partition key to the encoded value, None where it is released.
Holds = dict[bytes, bytes | None]


class Record(NamedTuple):
    """A record of a source."""

    key: bytes | None
    value: bytes | None
    offset: int


AnyRecord = tuple[bytes | None, bytes | None, int]  # a `Record`, or what is like one


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A record for a topic of others, whose key chooses the partition."""

    topic: str
    key: bytes
    value: bytes
    headers: list[tuple[str, str | bytes | None]]


@dataclass(kw_only=True)
class Changes:
    """What a run of records has changed.

    `rows` has one mapping for each fold, in their order: row key to the encoded row, None when it was removed.
    `held` maps partition keys that are held from now on to their dead letter, `requested` those that are to be refolded
    to the id of the request; they are held until that is done. `released` are no longer held. `mark` is the highest
    position of the run (None: it had none): all that belongs to the partition up to it is in the rows. `events` counts
    the events folded, `repeated` row updates that had been applied before, `passed_over` events of held keys, `late`
    windows that an event came too late for, `final` windows that got their final mark.

    `opened` are windows that the run has changed and that are open, `closed` those that are open no more. `kept` are
    those that will be removed, and `forgotten` those that were, with the instant for it. `behind` says that the
    watermark has reached more windows than a run may close: run again, with the next records or without any.

    `sent` goes out with the rows.
    """

    rows: tuple[dict[bytes, bytes | None], ...]
    held: dict[bytes, DeadLetter] = field(default_factory=dict)
    dead_letters: list[DeadLetter] = field(default_factory=list)
    requested: dict[bytes, str] = field(default_factory=dict)
    released: set[bytes] = field(default_factory=set)
    mark: Control | None = None
    events: int = 0
    repeated: int = 0
    passed_over: int = 0
    late: int = 0
    final: int = 0
    opened: list[Ending] = field(default_factory=list)
    closed: list[Ending] = field(default_factory=list)
    kept: list[Ending] = field(default_factory=list)
    forgotten: list[Ending] = field(default_factory=list)
    behind: bool = False
    sent: list[Outgoing] = field(default_factory=list)

    def holds(self, before: Mapping[bytes, bytes]) -> Holds:
        """What changes on the held topic, where `before` stands."""
        found: Holds = dict.fromkeys(self.released)
        letters = {key: letter.held() for key, letter in self.held.items()}
        found.update((key, encode(held)) for key, held in letters.items())
        for key, request in self.requested.items():
            stored = before.get(key)
            held = letters.get(key) or (_ASKED if stored is None else read_held(stored))
            found[key] = encode(replace(held, due=request))
        return found
