"""`bench append`: prepared events into Postgres, durable at the answer."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, closing, contextmanager
from functools import partial
from itertools import cycle, islice
from typing import Any

from infra.bench.errors import BenchError
from infra.bench.frame import Case, Runner, Suite
from infra.bench.orders import Orders, batches
from infra.bench.peers import Naive, Plain, eventsourcing_recorder, has_eventsourcing, stored_events
from infra.bench.place import Place
from infra.bench.prepared import Prepared, Together
from producers import PostgresEventStore
from producers.store import Write

_BATCH = 1000
_WRITERS = 2
_NAME = "order"
# The plain table takes the same rows again and again; making new ones for it would take longer than the rest.
_FLOOR_EVENTS = 20_000
_Prepare = Callable[[int], Sequence[Sequence[Write]]]


def _case(
    size: int, writers: int, *, guarded: bool, goals: Mapping[str, float]
) -> Callable[[Place], AbstractContextManager[Case]]:
    @contextmanager
    def opened(place: Place) -> Iterator[Case]:
        domain = place.orders

        def prepared(writer: int, size: int, *, guarded: bool = False) -> _Prepare:
            orders = Orders(domain, f"{_NAME}-{writer}")
            return lambda parts: batches(orders.writes(parts * size, guarded=guarded), size)

        def together(runner: Callable[[int], Prepared[Any]]) -> Runner:
            runners = [runner(writer) for writer in range(writers)]
            return runners[0] if writers == 1 else Together(*runners)

        with ExitStack() as open_, closing(PostgresEventStore(place.postgres, domain)) as store:
            if guarded:
                _append(store, Orders(domain, _NAME).stock())
            rows = batches(Orders(domain, _NAME).writes(_FLOOR_EVENTS), size)

            def ours(writer: int) -> Prepared[Any]:
                made = prepared(writer, size, guarded=guarded)
                return Prepared(made, lambda writes: _append(store, writes), timed=size == 1)

            def floor(_: int) -> Prepared[Any]:
                plain = open_.enter_context(closing(Plain(place.postgres)))
                return Prepared(lambda parts: list(islice(cycle(rows), parts)), plain.append)

            def naive(writer: int) -> Prepared[Any]:
                return Prepared(prepared(writer, 1), open_.enter_context(closing(Naive(place.postgres))).append)

            peers: dict[str, Runner] = {"a transaction a command": together(naive)}
            if has_eventsourcing():
                for peer, functions in (("eventsourcing", False), ("eventsourcing with functions", True)):
                    recorder = open_.enter_context(eventsourcing_recorder(place.postgres, functions=functions))
                    peers[peer] = together(partial(_library, recorder.insert_events, size, prepared))
            yield Case(ours=together(ours), floor=together(floor), peers=peers, goals=goals)

    return opened


def _library(
    insert: Callable[[Sequence[object]], Sequence[int] | None],
    size: int,
    prepared: Callable[[int, int], _Prepare],
    writer: int,
) -> Prepared[Any]:
    prepare = prepared(writer, size)
    return Prepared(
        lambda parts: [stored_events(writes) for writes in prepare(parts)], lambda events: len(insert(events) or ())
    )


def _append(store: PostgresEventStore, writes: Sequence[Write]) -> int:
    outcomes = store.append(writes)
    for write, outcome in zip(writes, outcomes, strict=True):
        if outcome.kind != "accepted":
            raise BenchError(f"the command {write.command} of the benchmark was not accepted: {outcome.kind}")
    return len(outcomes)


SUITE = Suite(
    summary="Prepared events into Postgres, durable at the answer.",
    needs=("postgres",),
    cases={
        "batch": _case(_BATCH, _WRITERS, guarded=False, goals={"rate": 50_000}),
        "guarded": _case(_BATCH, _WRITERS, guarded=True, goals={"rate": 35_000}),
        "batch-one": _case(_BATCH, 1, guarded=False, goals={}),
        "single": _case(1, 1, guarded=False, goals={}),
    },
)
