"""Handles one batch of commands: load, decide, append, and again where someone else was faster."""

import logging
import threading
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from operator import attrgetter

from msgspec import UNSET

from producers.decider import NOTHING, Decider, Facts
from producers.handling.cache import StreamCache
from producers.handling.deciding import fingerprint_of, write
from producers.handling.loading import Knowledge
from producers.handling.replaying import Replay
from producers.handling.requests import Receipt, Request
from producers.handling.rollback import Rollback
from producers.handling.rounds import Result, Round, Task, guard_key
from producers.handling.snapshots import Snapshots
from producers.store import Answer, EventStore, Outcome, Write
from producers.store.hashing import event_id
from schemas import Conflict, Domain, HeadraceError, Invalid, Refused

log = logging.getLogger(__name__)

# Seals the personal fields of requests; answers what refuses some of them, by index.
Seal = Callable[[Sequence[Request]], dict[int, HeadraceError]]
_ROUNDS = 8


class Batch:
    """A batch that `Processor.begin` has decided and `finish` stores; `settled` is set when that has ended.

    `unsealed` are the numbers of requests whose personal fields could not be sealed.
    """

    def __init__(self, tasks: list[Task], knowledge: Knowledge, turn: Round, unsealed: Collection[int] = ()) -> None:
        self.unsealed = unsealed
        self.tasks = tasks
        self.knowledge = knowledge
        self.turn = turn
        self.settled = threading.Event()


class Processor:
    """Handles batches of one domain, one after the other.

    While the store is at work on one (in `finish`), another thread may `begin` the next.
    """

    def __init__(
        self,
        domain: Domain,
        decider: Decider,
        store: EventStore,
        cache: StreamCache,
        snapshots: Snapshots,
        seal: Seal | None = None,
    ) -> None:
        self._seal = seal
        self._domain = domain
        self._decider = decider
        self._store = store
        self._cache = cache
        self._snapshots = snapshots
        self._replay = Replay(domain, decider, store, snapshots)
        self._thinking = threading.Lock()

    def process(self, requests: Sequence[Request]) -> list[Result]:
        """The results of the requests in their order; what a receipt tells of is durable.

        Raises Unavailable when the store does not answer; the batch may be sent again with the same ids.
        """
        return self.finish(self.begin(requests))

    def streams_of(self, request: Request) -> list[str]:
        """The streams that a request rests on."""
        return self._task(0, request).streams

    def warm(self, streams: Sequence[str]) -> None:
        """Replay streams, however long they are, for the next batches. Raises Unavailable."""
        loaded = self._store.load(dict.fromkeys(streams, 0))
        for stream, known in self._replay.streams(loaded.streams).items():
            if known.error is None:
                with self._thinking:
                    self._cache.put(stream, known)

    def begin(self, requests: Sequence[Request], after: Batch | None = None, *, aside: bool = False) -> Batch:
        """Decide the requests, taking the writes of the batch before, if it is not stored yet, for granted.

        Where those fall, what rests on them is decided anew in `finish`. Raises Unavailable; with `aside`, LongStreams
        when streams should be warmed first.
        """
        unsealed = {} if self._seal is None else self._seal(requests)
        with self._thinking:
            tasks = [self._task(number, request) for number, request in enumerate(requests)]
            for number, refusal in unsealed.items():
                tasks[number].result = refusal
            pending = [task for task in tasks if task.result is None]
            if after is not None and any(task.needs.counters or task.needs.claims for task in pending):
                with self._elsewhere():  # what is looked up in the store must have that batch's changes in it
                    after.settled.wait()
            before = None if after is None or after.settled.is_set() else after.knowledge
            knowledge = Knowledge(self._store, self._cache, self._replay, self._snapshots, before)
            self._gather(knowledge, pending, assume_new=True, aside=aside)
            return Batch(tasks, knowledge, self._decide(knowledge, pending), unsealed)

    def finish(self, batch: Batch) -> list[Result]:
        """Store the batch, once the one before has ended; see `process`."""
        tasks, knowledge = batch.tasks, batch.knowledge
        with self._thinking:
            try:
                knowledge.before = None
                pending = self._append(knowledge, batch.turn)
                for _ in range(1, _ROUNDS):
                    if not pending:
                        break
                    self._gather(knowledge, pending, assume_new=False)
                    pending = self._append(knowledge, self._decide(knowledge, pending))
                for task in pending:
                    task.result = Conflict(f"others keep writing to {task.own}; send it again", rule="contended-stream")
                # Whether a command that could not be sealed is the same as an earlier one cannot be told.
                sealed = [task for task in tasks if task.number not in batch.unsealed] if batch.unsealed else tasks
                self._give_first_answers(sealed)
                knowledge.keep()
            finally:
                batch.settled.set()
        return [task.result for task in tasks if task.result is not None]

    @contextmanager
    def _elsewhere(self) -> Iterator[None]:
        """Let the other thread think while this one waits."""
        self._thinking.release()
        try:
            yield
        finally:
            self._thinking.acquire()

    def _task(self, number: int, request: Request) -> Task:
        if isinstance(request.command, Rollback):
            return Task(number, request, request.command.stream, NOTHING)
        own = self._domain.stream_of(request.command)
        try:
            return Task(number, request, own, self._decider.needs(request.command))
        except Exception as error:
            log.exception("the needs of %s failed", type(request.command).__name__)
            task = Task(number, request, own, NOTHING)
            task.result = _mistake(error)
            return task

    def _gather(self, knowledge: Knowledge, pending: list[Task], *, assume_new: bool, aside: bool = False) -> None:
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
        knowledge.gather(streams, new, [task.needs for task in pending if task.needs is not NOTHING], aside=aside)

    def _decide(self, knowledge: Knowledge, pending: list[Task]) -> Round:
        turn, now = Round(), datetime.now(UTC)
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

    def _append(self, knowledge: Knowledge, turn: Round) -> list[Task]:
        """Append the round's writes; answers the tasks that must be decided again, in their order."""
        with self._elsewhere():
            outcomes = self._store.append(turn.writes)
        fallen, outdated, later = set[str](), set[str](), turn.later
        for task, made, outcome in zip(turn.owners, turn.writes, outcomes, strict=True):
            if outcome.kind == "accepted":
                task.result = self._receipt(made.command, made.stream, outcome)
                continue
            fallen.update([part.stream for part in made.parts if part.events], [guard_key(g.key) for g in made.guards])
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

    def _settle(self, knowledge: Knowledge, turn: Round) -> None:
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

    def _give_first_answers(self, tasks: list[Task]) -> None:
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


def _mistake(error: Exception) -> HeadraceError:
    return HeadraceError(f"deciding failed: {error!r}", rule="decider-failed")


def _misused(command: str) -> Invalid:
    return Invalid(
        f"the idempotency key {command} was used for another command", rule="idempotency-key-reused", field="id"
    )
