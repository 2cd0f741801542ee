"""`bench append`: prepared events into Postgres, durable at the answer."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, closing, contextmanager
from itertools import cycle, islice

from infra.bench.errors import BenchError
from infra.bench.frame import Case, Runner, Suite
from infra.bench.orders import Orders, batches
from infra.bench.peers import Naive, Plain, eventsourcing_recorder, has_eventsourcing, stored_events
from infra.bench.place import Place
from infra.bench.prepared import Prepared
from producers import PostgresEventStore
from producers.store import Write

_BATCH = 1000
_NAME = "order"
# The plain table takes the same rows again and again; making new ones for it would take longer than the rest.
_FLOOR_EVENTS = 20_000


def _case(size: int, *, guarded: bool, goals: Mapping[str, float]) -> Callable[[Place], AbstractContextManager[Case]]:
    @contextmanager
    def opened(place: Place) -> Iterator[Case]:
        domain = place.orders

        def prepared(size: int) -> Callable[[int], Sequence[Sequence[Write]]]:
            orders = Orders(domain, _NAME)
            return lambda parts: batches(orders.writes(parts * size), size)

        with ExitStack() as open_, closing(PostgresEventStore(place.postgres, domain)) as store:
            orders = Orders(domain, _NAME)
            if guarded:
                _append(store, orders.stock())
            rows = batches(Orders(domain, _NAME).writes(_FLOOR_EVENTS), size)
            plain = open_.enter_context(closing(Plain(place.postgres)))
            naive = open_.enter_context(closing(Naive(place.postgres)))
            peers: dict[str, Runner] = {"a transaction a command": Prepared(prepared(1), naive.append)}
            if has_eventsourcing():
                for peer, functions in (("eventsourcing", False), ("eventsourcing with functions", True)):
                    recorder = open_.enter_context(eventsourcing_recorder(place.postgres, functions=functions))
                    peers[peer] = _library(prepared(size), recorder.insert_events)
            yield Case(
                ours=Prepared(
                    lambda parts: batches(orders.writes(parts * size, guarded=guarded), size),
                    lambda writes: _append(store, writes),
                    timed=size == 1,
                ),
                floor=Prepared(lambda parts: list(islice(cycle(rows), parts)), plain.append),
                peers=peers,
                goals=goals,
            )

    return opened


def _library(
    prepare: Callable[[int], Sequence[Sequence[Write]]], insert: Callable[[Sequence[object]], Sequence[int] | None]
) -> Runner:
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
        "batch": _case(_BATCH, guarded=False, goals={"rate": 50_000}),
        "guarded": _case(_BATCH, guarded=True, goals={"rate": 35_000}),
        "single": _case(1, guarded=False, goals={}),
    },
)
