"""Handles one batch of commands: load, decide, append, and again where someone else was faster."""

import logging
from collections.abc import Sequence
from datetime import UTC, datetime

from msgspec import UNSET

from producers.cache import Known, StreamCache
from producers.decider import Decider, Facts
from producers.deciding import fingerprint_of, write
from producers.hashing import event_id
from producers.requests import Receipt, Request
from producers.store import Answer, EventStore, History, Outcome, Write
from schemas import Conflict, Domain, HeadraceError, Invalid, Refused, event_decoder

log = logging.getLogger(__name__)

Result = Receipt | HeadraceError
_ROUNDS = 8


class _Batch:
    """The requests of a batch, the stream of each, what is known of the streams, the results so far."""

    def __init__(self, requests: Sequence[Request], domain: Domain) -> None:
        self.requests = requests
        self.streams = [domain.stream_of(request.command) for request in requests]
        self.known: dict[str, Known] = {}
        self.results: dict[int, Result] = {}
        self.pending = list(range(len(requests)))


class _Round:
    """What one round decided: writes with the requests they are for, refusals that stand if the writes before
    them do, requests put off to the next round, and the streams whose state must be loaded for that."""

    def __init__(self) -> None:
        self.writes: list[Write] = []
        self.owners: list[int] = []
        self.refused: dict[int, HeadraceError] = {}
        self.later: list[int] = []
        self.deferred: set[str] = set()


class Processor:
    """Handles batches of one domain, one at a time."""

    def __init__(self, domain: Domain, decider: Decider, store: EventStore, cache: StreamCache) -> None:
        self._domain = domain
        self._decider = decider
        self._store = store
        self._cache = cache
        self._events = event_decoder(domain)

    def process(self, requests: Sequence[Request]) -> list[Result]:
        """The results of the requests in their order; what a receipt tells of is durable.

        Raises Unavailable when the store does not answer; the batch may be sent again with the same ids.
        """
        batch = _Batch(requests, self._domain)
        for number in range(_ROUNDS):
            self._know(batch, assume_new=number == 0)
            self._append(batch, self._decide(batch))
            if not batch.pending:
                break
        for index in batch.pending:
            stream = batch.streams[index]
            batch.results[index] = Conflict(f"others keep writing to {stream}; send it again", rule="contended-stream")
        self._give_first_answers(batch)
        for stream, known in batch.known.items():
            if known.error is None and known.version:
                self._cache.put(stream, known)
        return [batch.results[index] for index in range(len(requests))]

    def _know(self, batch: _Batch, *, assume_new: bool) -> None:
        """Fill in the streams of the pending requests: from the cache, by assumption, or from the store.

        A stream that is unknown here is taken for new by the command that begins streams: mostly it is, and the
        append finds out when not.
        """
        begins = self._domain.commands[0]
        missing: dict[str, int] = {}
        for index in batch.pending:
            stream = batch.streams[index]
            if stream in batch.known or stream in missing:
                continue
            known = self._cache.take(stream)
            if known is not None:
                known.confirmed = False
                batch.known[stream] = known
            elif assume_new and type(batch.requests[index].command) is begins:
                batch.known[stream] = Known(confirmed=False)
            else:
                missing[stream] = 0
        if missing:
            histories = self._store.load(missing)
            for stream in missing:
                batch.known[stream] = self._replayed(stream, histories.get(stream))

    def _replayed(self, stream: str, history: History | None) -> Known:
        known = Known(confirmed=True)
        if history is None:
            return known
        known.version, known.hash, known.partition_key = history.version, history.hash, history.partition_key
        try:
            for data in history.events:
                known.state = self._decider.evolve(known.state, self._events.decode(data))
        except Exception as error:
            log.exception("stream %s of %s cannot be loaded", stream, self._domain.name)
            known.error = HeadraceError(f"stream {stream} cannot be loaded: {error}", rule="unreadable-stream")
        return known

    def _decide(self, batch: _Batch) -> _Round:
        turn, facts = _Round(), Facts(datetime.now(UTC))
        for index in batch.pending:
            request, stream = batch.requests[index], batch.streams[index]
            if stream in turn.deferred:
                turn.later.append(index)
                continue
            known = batch.known[stream]
            try:
                turn.writes.append(write(self._domain, self._decider, request, stream, known, facts))
                turn.owners.append(index)
                continue
            except HeadraceError as error:
                refusal = error
            except Exception as error:
                log.exception("deciding %s failed", type(request.command).__name__)
                refusal = HeadraceError(f"deciding failed: {error!r}", rule="decider-failed")
            if known.confirmed:
                turn.refused[index] = refusal
            else:
                # Refused on a state that may be old: later commands of the stream wait, to keep their order.
                turn.deferred.add(stream)
                turn.later.append(index)
        return turn

    def _append(self, batch: _Batch, turn: _Round) -> None:
        """Append the round's writes; leaves in `batch.pending` what must be decided again."""
        outcomes = self._store.append(turn.writes)
        fallen: set[str] = set()
        later = turn.later
        for index, made, outcome in zip(turn.owners, turn.writes, outcomes, strict=True):
            if outcome.kind == "accepted":
                batch.results[index] = self._receipt(made.command, made.stream, outcome)
                continue
            fallen.add(made.stream)
            batch.known.pop(made.stream, None)
            if outcome.kind == "conflict":
                later.append(index)
            else:
                batch.results[index] = self._refusal(made, outcome)
        for index, refusal in turn.refused.items():
            if batch.streams[index] in fallen:
                later.append(index)
            else:
                batch.results[index] = refusal
        if turn.deferred:
            written = {made.stream for made in turn.writes}
            for stream in turn.deferred - fallen:
                batch.known[stream].confirmed = True
                if stream not in written:
                    del batch.known[stream]
        batch.pending = sorted(later)

    def _refusal(self, made: Write, outcome: Outcome) -> Result:
        if outcome.kind == "repeated":
            return self._receipt(made.command, made.stream, outcome, repeated=True)
        if outcome.kind == "misused":
            return _misused(made.command)
        guard = made.guards[outcome.version - 1]
        return Refused(guard.detail, rule=guard.rule)

    def _receipt(self, command: str, stream: str, found: Outcome | Answer, *, repeated: bool = False) -> Receipt:
        events, position = found.events, found.position
        return Receipt(
            command,
            stream,
            found.version,
            f"{self._domain.name}:{position}",
            tuple([event_id(command, number) for number in range(1, events + 1)]),
            position - events + 1 if events else UNSET,
            position if events else UNSET,
            True if repeated else UNSET,
        )

    def _give_first_answers(self, batch: _Batch) -> None:
        """A command that is refused now may be the retry of one that was accepted before."""
        refused = {
            index: request
            for index, request in enumerate(batch.requests)
            if isinstance(batch.results[index], HeadraceError) and (request.retried or not request.generated)
        }
        first = self._store.find(list({request.id for request in refused.values()}))
        for index, request in refused.items():
            answer = first.get(request.id)
            if answer is None:
                continue
            if answer.fingerprint == fingerprint_of(request):
                batch.results[index] = self._receipt(request.id, batch.streams[index], answer, repeated=True)
            else:
                batch.results[index] = _misused(request.id)


def _misused(command: str) -> Invalid:
    return Invalid(
        f"the idempotency key {command} was used for another command", rule="idempotency-key-reused", field="id"
    )
