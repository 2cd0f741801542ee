"""Writes to an event store for tests, with hashes made as the handler makes them."""

import uuid
from collections.abc import Mapping, Sequence
from itertools import count

from producers.store import Guard, NewEvent, Outcome, Part, Write
from producers.store.hashing import NO_HASH, event_hash, event_id
from schemas import Domain


class Writer:
    """Makes writes that build on each other: remembers version and hash of every stream it has written to."""

    def __init__(self, domain: Domain) -> None:
        self._domain = domain
        self.tips: dict[str, tuple[int, bytes]] = {}
        self._name = uuid.uuid4().hex[:6]
        self._number = 0

    def write(
        self,
        stream: str,
        *,
        events: int = 1,
        command: str = "",
        body: bytes = b"b" * 16,
        guards: tuple[Guard, ...] = (),
        happened: int = 1_000_000,
        data: bytes = b'{"type":"Made"}',
        key: str = "",
        others: Mapping[str, int] | None = None,
        correlation: str | None = None,
        traceparent: str | None = None,
    ) -> Write:
        """A write of so many events to a stream, on top of the last one made here; `others` as numbers of events."""
        self._number += 1
        command = command or f"command-{self._name}-{self._number}"
        numbers = count(1)

        def part(stream: str, events: int, key: str) -> Part:
            version, tip = self.tips.get(stream, (0, NO_HASH))
            made, last = [], tip
            for number in range(1, events + 1):
                identity = event_id(command, next(numbers))
                at = version + number
                last = event_hash(last, self._domain.key, stream, at, identity, key, data, correlation, traceparent)
                made.append(NewEvent("Made", data, happened, last))
            self.tips[stream] = (version + events, last)
            return Part(stream, version, tip, key, tuple(made))

        own = part(stream, events, key or f"key of {stream}")
        further = tuple([part(name, amount, f"key of {name}") for name, amount in (others or {}).items()])
        return Write(
            command,
            body,
            stream,
            own.version,
            own.hash,
            own.partition_key,
            own.events,
            guards,
            correlation,
            traceparent,
            further,
        )


def kinds(outcomes: Sequence[Outcome]) -> list[str]:
    return [outcome.kind for outcome in outcomes]
