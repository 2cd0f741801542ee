"""The port to the event store of one domain, and what goes in and out of it."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Literal, Protocol

from msgspec import Struct

MAX_EVENT_BYTES = 900_000
MAX_COMMAND_BYTES = 4_000_000
# A stream gets a snapshot after so many events, and one load answers fewer of a stream than that.
SNAPSHOT_EVERY = 500


class Guard(Struct, frozen=True):
    """A fact that a decision rests on, checked again by the append under its lock. At most one that changes `key`
    in a command.

    `claim`: nobody holds `key`; the command takes it. `release`: the command gives `key` back.
    `counter`: the counter `key` plus `amount` is not below `floor`; the command adds it.
    A failing claim or counter refuses the command with `rule` and `detail`.
    `value`: the counter `key` is `amount`. `free`, `held`: nobody, somebody holds `key`. When one of these fails,
    the command is decided anew; the command handler adds them itself for what a decision looked up.
    """

    kind: Literal["claim", "release", "counter", "value", "free", "held"]
    key: str
    amount: int = 0
    floor: int = 0
    rule: str = "guard-failed"
    detail: str = "a condition of the command does not hold any more"


class NewEvent(Struct, frozen=True, gc=False):
    """An event to append: `data` are the bytes to store, `happened` its event time in microseconds since 1970."""

    type: str
    data: bytes
    happened: int
    hash: bytes


class Part(Struct, frozen=True, gc=False):
    """What a command does to a further stream, if that still has this version and hash before it.

    Without events it is a stream that the decision only read.
    """

    stream: str
    version: int
    hash: bytes
    partition_key: str
    events: tuple[NewEvent, ...]


class Write(Struct, frozen=True, gc=False):
    """What one accepted command does to its stream, if the stream still has this version and hash before it.

    `others` are the further streams that it reads or writes, each at most once. Commands of one batch on one stream
    build on each other: each one's `version` and `hash` are those after the one before it. All events of a command
    are stored, on all its streams, or none.
    """

    command: str
    fingerprint: bytes
    stream: str
    version: int
    hash: bytes
    partition_key: str
    events: tuple[NewEvent, ...]
    guards: tuple[Guard, ...] = ()
    correlation: str | None = None
    traceparent: str | None = None
    others: tuple[Part, ...] = ()

    @property
    def parts(self) -> "tuple[Write | Part, ...]":
        """All streams that it rests on, its own first; events are stored in this order."""
        return (self, *self.others)

    @property
    def amount(self) -> int:
        """How many events it has on all its streams."""
        return len(self.events) + sum([len(part.events) for part in self.others]) if self.others else len(self.events)


class Outcome(Struct, frozen=True, gc=False):
    """What became of one write.

    `accepted`: stored; `version` is its stream's version after it, `events` how many they are, `position` that
    of the last one (without events: of the head). `repeated`: the id was used before for the same body, and these are
    the first answer's numbers. `misused`: the id was used for another body. `conflict`: a stream it rests on has
    moved, a write before it on such a stream fell, or a looked-up fact has changed: decide again. `guarded`: its guard
    number `version` (from 1) refused it. Except when accepted, nothing was stored.
    """

    kind: Literal["accepted", "repeated", "misused", "conflict", "guarded"]
    version: int = 0
    events: int = 0
    position: int = 0


class History(Struct, frozen=True):
    """A stream as it stands: version, last hash, partition key, and the data of its events after some version.

    `before` is the hash of that version's event (empty: version 0, or none was found). A stream that is too long to
    come in one piece has no events here.
    """

    version: int
    hash: bytes
    partition_key: str
    events: tuple[bytes, ...]
    before: bytes = b""


class Recorded(Struct, frozen=True, gc=False):
    """One event of a stream. `time` is the instant of its append."""

    version: int
    position: int
    id: str
    type: str
    time: datetime
    hash: bytes
    data: bytes


class Snapshot(Struct, frozen=True):
    """The state of a stream at a version whose event has this hash; `state` is its JSON form, made by the code with
    this fingerprint. `checksum` covers all of it.
    """

    stream: str
    version: int
    hash: bytes
    fingerprint: bytes
    checksum: bytes
    state: bytes


class Loaded(Struct, frozen=True):
    """Streams by name, without those that do not exist; values of counters; which of the keys are claimed."""

    streams: dict[str, History]
    counters: dict[str, int]
    claims: frozenset[str]


class Answer(Struct, frozen=True):
    """The first answer to a command: see `Outcome`."""

    fingerprint: bytes
    version: int
    events: int
    position: int


class StoredEvent(Struct, frozen=True):
    """One event as it is stored. `digest` is set on the last event of an append: the rolling digest after it."""

    position: int
    stream: str
    version: int
    id: str
    type: str
    partition_key: str
    time: datetime
    watermark: datetime
    hash: bytes
    digest: bytes | None
    command: str
    correlation: str | None
    traceparent: str | None
    data: bytes


class Head(Struct, frozen=True):
    """Where a domain stands: its last position, the time of its last append and the rolling digest (see hashing)."""

    position: int
    time: datetime
    digest: bytes


class EventStore(Protocol):
    """Events of one domain. Every method blocks, is safe to call from several threads, and raises Unavailable
    when the database does not answer; an append that raised it may have been stored or not, and may be sent again.
    """

    def append(self, writes: Sequence[Write]) -> list[Outcome]:
        """Store what is acceptable, durably, with dense positions in the order of the writes; an outcome each.

        Raises ValueError when the writes on one stream do not build on each other.
        """
        ...

    def load(self, after: Mapping[str, int], counters: Sequence[str] = (), claims: Sequence[str] = ()) -> Loaded:
        """The given streams, each with its events after the given version, and facts; in one round trip."""
        ...

    def read_stream(self, stream: str, after: int = 0) -> Iterator[Recorded]:
        """The events of one stream after a version, oldest first, however many: they are read in pages.

        Raises HeadraceError where its chain is broken.
        """
        ...

    def snapshots(self, streams: Sequence[str], fingerprint: bytes) -> dict[str, Snapshot]:
        """The snapshots of these streams that the code with the fingerprint has made, by stream."""
        ...

    def keep(self, snapshot: Snapshot) -> None:
        """Keep a snapshot in place of an older one of its stream."""
        ...

    def find(self, commands: Sequence[str]) -> dict[str, Answer]:
        """The first answers to those of the commands that were accepted before, by command id."""
        ...

    def read(self, after: int, limit: int) -> list[StoredEvent]:
        """The events after a position in their order, `limit` at most."""
        ...

    def head(self) -> Head:
        """Where the domain stands."""
        ...
