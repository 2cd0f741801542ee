"""Handles one batch of commands: load, decide, append, and again where someone else was faster."""

import logging
from collections.abc import Sequence
from datetime import UTC, datetime
from operator import attrgetter

from msgspec import UNSET

from producers.cache import StreamCache
from producers.decider import NOTHING, Decider, Facts, Needs
from producers.deciding import fingerprint_of, write
from producers.hashing import SEPARATOR, event_id
from producers.loading import Knowledge
from producers.replaying import Replay
from producers.requests import Receipt, Request
from producers.rollback import Rollback
from producers.snapshots import Snapshots
from producers.store import Answer, EventStore, Outcome, Write
from schemas import Conflict, Domain, HeadraceError, Invalid, Refused

log = logging.getLogger(__name__)

Result = Receipt | HeadraceError
_ROUNDS = 8


class _Task:
    """A request of the batch with what it needs and the streams that it rests on, its own first."""

    __slots__ = ("needs", "number", "own", "request", "result", "streams")

    def __init__(self, number: int, request: Request, own: str, needs: Needs) -> None:
        self.number = number
        self.request = request
        self.own = own
        self.needs = needs
        self.result: Result | None = None
        further = (*needs.streams, *(request.expected_versions or ()))
        self.streams = list(dict.fromkeys((own, *further))) if further else [own]

    def rests_on(self, fallen: set[str]) -> bool:
        """Whether something that it read or looked up is among `fallen`: streams, and keys of guards."""
        return not fallen.isdisjoint([*self.streams, *map(_key, self.needs.counters + self.needs.claims)])


class _Round:
    """What one round decided: writes with the tasks they are for, refusals that stand if the writes before them do,
    tasks put off to the next round, and the streams whose state must be loaded for that."""

    def __init__(self) -> None:
        self.writes: list[Write] = []
        self.owners: list[_Task] = []
        self.refused: list[tuple[_Task, HeadraceError]] = []
        self.later: list[_Task] = []
        self.deferred: set[str] = set()


class Processor:
    """Handles batches of one domain, one at a time."""

    def __init__(
        self, domain: Domain, decider: Decider, store: EventStore, cache: StreamCache, snapshots: Snapshots
    ) -> None:
        self._domain = domain
        self._decider = decider
        self._store = store
        self._cache = cache
        self._snapshots = snapshots
        self._replay = Replay(domain, decider, store, snapshots)

    def process(self, requests: Sequence[Request]) -> list[Result]:
        """The results of the requests in their order; what a receipt tells of is durable.

        Raises Unavailable when the store does not answer; the batch may be sent again with the same ids.
        """
        tasks = [self._task(number, request) for number, request in enumerate(requests)]
        knowledge = Knowledge(self._store, self._cache, self._replay, self._snapshots)
        pending = [task for task in tasks if task.result is None]
        for number in range(_ROUNDS):
            self._gather(knowledge, pending, assume_new=number == 0)
            pending = self._append(knowledge, self._decide(knowledge, pending))
            if not pending:
                break
        for task in pending:
            task.result = Conflict(f"others keep writing to {task.own}; send it again", rule="contended-stream")
        self._give_first_answers(tasks)
        knowledge.keep()
        return [task.result for task in tasks if task.result is not None]

    def _task(self, number: int, request: Request) -> _Task:
        if isinstance(request.command, Rollback):
            return _Task(number, request, request.command.stream, NOTHING)
        own = self._domain.stream_of(request.command)
        try:
            return _Task(number, request, own, self._decider.needs(request.command))
        except Exception as error:
            log.exception("the needs of %s failed", type(request.command).__name__)
            task = _Task(number, request, own, NOTHING)
            task.result = _mistake(error)
            return task

    def _gather(self, knowledge: Knowledge, pending: list[_Task], *, assume_new: bool) -> None:
        begins = self._domain.commands[0]
        known, new = knowledge.streams, set[str]()
        streams: dict[str, None] = {}
        for task in pending:
            for stream in task.streams:
                if stream in known or stream in streams or stream in new:
                    continue
                if assume_new and stream == task.own and type(task.request.command) is begins:
                    new.add(stream)
                else:
                    streams[stream] = None
        knowledge.gather(streams, new, [task.needs for task in pending if task.needs is not NOTHING])

    def _decide(self, knowledge: Knowledge, pending: list[_Task]) -> _Round:
        turn, now = _Round(), datetime.now(UTC)
        simple = Facts(now)
        for task in pending:
            if turn.deferred and not turn.deferred.isdisjoint(task.streams):
                turn.later.append(task)
                turn.deferred.update(task.streams)
                continue
            try:
                facts = simple if task.needs is NOTHING else knowledge.facts(now, task.needs)
                made = write(
                    self._domain, self._decider, task.request, task.streams, knowledge.streams, facts, task.needs
                )
            except HeadraceError as error:
                refusal = error
            except Exception as error:
                log.exception("deciding %s failed", type(task.request.command).__name__)
                refusal = _mistake(error)
            else:
                knowledge.apply(made)
                turn.writes.append(made)
                turn.owners.append(task)
                continue
            if all(knowledge.streams[stream].confirmed for stream in task.streams):
                turn.refused.append((task, refusal))
            else:
                # Refused on a state that may be old: later commands of its streams wait, to keep their order.
                turn.deferred.update(task.streams)
                turn.later.append(task)
        return turn

    def _append(self, knowledge: Knowledge, turn: _Round) -> list[_Task]:
        """Append the round's writes; answers the tasks that must be decided again, in their order."""
        outcomes = self._store.append(turn.writes)
        fallen, outdated, later = set[str](), set[str](), turn.later
        for task, made, outcome in zip(turn.owners, turn.writes, outcomes, strict=True):
            if outcome.kind == "accepted":
                task.result = self._receipt(made.command, made.stream, outcome)
                continue
            fallen.update([part.stream for part in made.parts if part.events], [_key(g.key) for g in made.guards])
            if outcome.kind == "conflict":
                outdated.update(task.streams)
                later.append(task)
            else:
                task.result = self._refusal(made, outcome)
        for task, refusal in turn.refused:
            if task.rests_on(fallen):
                later.append(task)
            else:
                task.result = refusal
        for stream in fallen | outdated:
            knowledge.streams.pop(stream, None)
        self._settle(knowledge, turn)
        return sorted(later, key=attrgetter("number"))

    def _settle(self, knowledge: Knowledge, turn: _Round) -> None:
        """Deferred streams: those that were written are known for sure by now, the others must be loaded."""
        written = {part.stream for made in turn.writes for part in made.parts if part.events} if turn.deferred else ()
        for stream in turn.deferred:
            known = knowledge.streams.pop(stream, None)
            if known is not None and stream in written:
                known.confirmed = True
                knowledge.streams[stream] = known

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

    def _give_first_answers(self, tasks: list[_Task]) -> None:
        """A command that is refused now may be the retry of one that was accepted before."""
        refused = [
            task
            for task in tasks
            if isinstance(task.result, HeadraceError) and (task.request.retried or not task.request.generated)
        ]
        first = self._store.find(list({task.request.id for task in refused}))
        for task in refused:
            answer = first.get(task.request.id)
            if answer is None:
                continue
            if answer.fingerprint == fingerprint_of(task.request):
                task.result = self._receipt(task.request.id, task.own, answer, repeated=True)
            else:
                task.result = _misused(task.request.id)


def _key(key: str) -> str:
    """The key of a guard, told from the names of streams."""
    return f"{SEPARATOR}{key}"


def _mistake(error: Exception) -> HeadraceError:
    return HeadraceError(f"deciding failed: {error!r}", rule="decider-failed")


def _misused(command: str) -> Invalid:
    return Invalid(
        f"the idempotency key {command} was used for another command", rule="idempotency-key-reused", field="id"
    )
