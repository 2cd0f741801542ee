"""From a command and what is known of its stream to the write that the event store gets."""

from producers.cache import Known
from producers.decider import Decider, Facts
from producers.hashing import NO_FINGERPRINT, event_hash, event_id, fingerprint, microseconds
from producers.limits import check_event, check_name
from producers.requests import Request
from producers.store import NewEvent, Write
from schemas import Domain, VersionMismatch, encode


def fingerprint_of(request: Request) -> bytes:
    """The fingerprint of a request's body; none for an id that the client does not know before the answer."""
    return NO_FINGERPRINT if request.generated else fingerprint(request.command)


def write(domain: Domain, decider: Decider, request: Request, stream: str, known: Known, facts: Facts) -> Write:
    """The write that `request` leads to; moves `known` on past it.

    Raises HeadraceError (or what the domain's rules raise by mistake) without having moved it.
    """
    if known.error is not None:
        raise known.error
    if request.expected_version is not None and request.expected_version != known.version:
        raise VersionMismatch(
            f"stream {stream} has version {known.version}, not {request.expected_version}",
            rule="expected-version",
            field="expected_version",
        )
    before, version, last, key, state = known.state, known.version, known.hash, known.partition_key, known.state
    events = decider.decide(before, request.command, facts)
    if not version and events:
        key = stream if domain.partition_by is None else domain.partition_by(events[0])
        check_name(stream, "stream id")
        check_name(key, "partition key")
    fresh, size = [], 0
    for number, event in enumerate(events, 1):
        data = encode(event)
        size += len(data)
        check_event(len(data), size)
        last = event_hash(last, domain.key, stream, version + number, event_id(request.id, number), key, data)
        fresh.append(NewEvent(type(event).__name__, data, microseconds(domain.event_time(event)), last))
        state = decider.evolve(state, event)
    made = Write(
        request.id,
        fingerprint_of(request),
        stream,
        version,
        known.hash,
        key,
        tuple(fresh),
        decider.guards(before, request.command),
        request.correlation,
        request.traceparent,
    )
    known.state, known.version, known.hash, known.partition_key = state, version + len(fresh), last, key
    return made
