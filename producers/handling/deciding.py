"""From a command and what is known of its streams to the write that the event store gets."""

from collections.abc import Mapping, Sequence

from producers.decider import Decider, Facts, Needs, On
from producers.handling.cache import Known
from producers.handling.requests import Request
from producers.handling.rollback import Rollback, revert
from producers.store import Guard, NewEvent, Part, Write
from producers.store.hashing import NO_FINGERPRINT, event_hash, event_id, fingerprint, microseconds
from producers.store.limits import check_event, check_name
from schemas import Domain, Event, VersionMismatch, encode


def fingerprint_of(request: Request) -> bytes:
    """The fingerprint of a request's body; none for an id that the client does not know before the answer."""
    return NO_FINGERPRINT if request.generated else fingerprint(request.command)


class Extension:
    """A stream with the events that one command adds: what is known of it moves on only when the write is made."""

    __slots__ = ("_known", "events", "hash", "key", "state", "stream", "version")

    def __init__(self, stream: str, known: Known) -> None:
        self._known = known
        self.stream = stream
        self.events: list[NewEvent] = []
        self.state, self.version, self.hash, self.key = known.state, known.version, known.hash, known.partition_key

    def add(self, domain: Domain, decider: Decider, event: Event, request: Request, number: int) -> int:
        """Put the `number`-th event of a request onto the stream; answers its size in bytes."""
        if not self.version:
            self.key = self.stream if domain.partition_by is None else domain.partition_by(event)
            check_name(self.stream, "stream id")
            check_name(self.key, "partition key")
        data = encode(event)
        self.version += 1
        self.hash = event_hash(
            self.hash,
            domain.key,
            self.stream,
            self.version,
            event_id(request.id, number),
            self.key,
            data,
            request.correlation,
            request.traceparent,
        )
        self.events.append(NewEvent(type(event).__name__, data, microseconds(domain.event_time(event)), self.hash))
        self.state = decider.evolve(self.state, event)
        return len(data)

    def commit(self) -> None:
        """Move on what is known of the stream."""
        known = self._known
        known.state, known.version, known.hash, known.partition_key = self.state, self.version, self.hash, self.key


def write(
    domain: Domain,
    decider: Decider,
    request: Request,
    streams: Sequence[str],
    known: Mapping[str, Known],
    facts: Facts,
    needs: Needs,
) -> Write:
    """The write that `request` leads to; moves what is known of its `streams` (its own first) on past it.

    Raises HeadraceError (or what the domain's rules raise by mistake) without having moved anything.
    """
    own = known[streams[0]]
    _check(request, streams, known)
    decided: Sequence[Event | On]
    if isinstance(request.command, Rollback):
        decided, guards = revert(decider, request.command, own.state, own.version, request.then, facts)
    else:
        decided = decider.decide(own.state, request.command, facts)
        guards = decider.guards(own.state, request.command, facts)
    first = Extension(streams[0], own)
    extensions = {first.stream: first}
    size = 0
    for number, (stream, event) in enumerate(_in_order(decided, streams), 1):
        extension = extensions.get(stream)
        if extension is None:
            extension = extensions[stream] = Extension(stream, known[stream])
        added = extension.add(domain, decider, event, request, number)
        size += added
        check_event(added, size)
    made = Write(
        request.id,
        fingerprint_of(request),
        first.stream,
        own.version,
        own.hash,
        first.key,
        tuple(first.events),
        (*guards, *_unchanged(needs, facts, guards)) if needs.counters or needs.claims else guards,
        request.correlation,
        request.traceparent,
        tuple([_part(stream, extensions.get(stream), known[stream]) for stream in streams[1:]]),
    )
    for extension in extensions.values():
        extension.commit()
    return made


def _part(stream: str, extension: Extension | None, known: Known) -> Part:
    """The part of a further stream: without events where it is only rested on."""
    if extension is None:
        return Part(stream, known.version, known.hash, known.partition_key, ())
    return Part(stream, known.version, known.hash, extension.key, tuple(extension.events))


def _check(request: Request, streams: Sequence[str], known: Mapping[str, Known]) -> None:
    for stream in streams:
        error = known[stream].error
        if error is not None:
            raise error
    if request.expected_version is None and not request.expected_versions:
        return
    expected = dict(request.expected_versions or {})
    if request.expected_version is not None:
        expected[streams[0]] = request.expected_version
    for stream, version in expected.items():
        found = known[stream].version
        if found != version:
            field = "expected_version" if stream == streams[0] else "expected_versions"
            raise VersionMismatch(
                f"stream {stream} has version {found}, not {version}", rule="expected-version", field=field
            )


def _in_order(decided: Sequence[Event | On], streams: Sequence[str]) -> list[tuple[str, Event]]:
    """Stream and event, in the order of the streams: that is how they are stored and numbered."""
    own = streams[0]
    if len(decided) == 1 and not isinstance(decided[0], On):
        return [(own, decided[0])]
    placed = [(event.stream, event.event) if isinstance(event, On) else (own, event) for event in decided]
    for stream, event in placed:
        if stream not in streams:
            raise LookupError(f"{type(event).__name__} for stream {stream}, which is not among the needs")
    return placed if len(streams) == 1 else sorted(placed, key=lambda item: streams.index(item[0]))


def _unchanged(needs: Needs, facts: Facts, guards: Sequence[Guard]) -> tuple[Guard, ...]:
    """Guards for what was looked up. A floor of the domain's own does not replace them: what else the decision made of
    the value is not known here.
    """
    claimed = {guard.key for guard in guards if guard.kind == "claim"}
    return (
        *[Guard("value", key, facts.counters[key]) for key in needs.counters],
        *[Guard("held" if key in facts.claims else "free", key) for key in needs.claims if key not in claimed],
    )
