"""`bench scale`: appends and the relay's reading at ten million events beside the same at a hundred thousand, and
appends while a long reader holds an old snapshot."""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from random import Random

import psycopg2

from infra.bench.filled import APPEND, Filled, append, mark
from infra.bench.frame import Case, Suite
from infra.bench.place import Place
from infra.bench.place import place as another
from infra.bench.prepared import Prepared
from infra.bench.sql import query
from infra.stack import Addresses
from producers import PostgresEventStore
from producers.relay.records import Checkpoint
from producers.relay.source import Source
from producers.store import Write
from schemas import Domain, discover

LARGE = 10_000_000
SMALL = 100_000
_PEER = f"at {SMALL:,} events"
# So many appends are older than the first measured one and younger than the reader's snapshot.
AGE = 10_000
_BATCH = 100
_ACTIVE = 10_000
_READ = 10_000


def _domain(place: Place, size: int) -> Domain:
    return discover(f"{place.settings.namespace}_{size}")["orders"]


def _runner(store: PostgresEventStore, filled: Filled, batch: int, active: int) -> Prepared[Sequence[Write]]:
    return Prepared(
        lambda parts: [filled.writes(batch, active) for _ in range(parts)],
        lambda writes: append(store, writes),
        timed=True,
    )


@contextmanager
def _append(place: Place) -> Iterator[Case]:
    """The same number of streams is active in both; and, as the worst case, all of the large one are."""
    with ExitStack() as open_:
        at = {size: _filled(open_, place.postgres, _domain(place, size), size) for size in (LARGE, SMALL)}
        yield Case(
            ours=_runner(*at[LARGE], _BATCH, _ACTIVE),
            peers={_PEER: _runner(*at[SMALL], _BATCH, _ACTIVE), "all streams active": _runner(*at[LARGE], _BATCH, 0)},
            goals={f"ratios.{_PEER}": 0.9},
        )


def _filled(open_: ExitStack, postgres: str, domain: Domain, size: int) -> tuple[PostgresEventStore, Filled]:
    filled = Filled(postgres, domain, size)
    return open_.enter_context(closing(PostgresEventStore(postgres, domain))), filled


def _reading(open_: ExitStack, postgres: str, domain: Domain, size: int) -> Prepared[int]:
    Filled(postgres, domain, size, only_events=True)
    source = open_.enter_context(Source(postgres, domain))

    def read(after: int) -> int:
        return len(source.read(Checkpoint(after, mark(after).hex()))[1])

    # Near the end, where a relay reads.
    random, first, last = Random(7), (size - SMALL) // APPEND + 1, (size - _READ) // APPEND
    return Prepared(lambda parts: [random.randrange(first, last) * APPEND for _ in range(parts)], read)


@contextmanager
def _relay(place: Place) -> Iterator[Case]:
    with ExitStack() as open_:
        large, small = (_reading(open_, place.postgres, _domain(place, size), size) for size in (LARGE, SMALL))
        yield Case(ours=large, peers={_PEER: small}, goals={f"ratios.{_PEER}": 0.9})


@contextmanager
def _snapshot(place: Place) -> Iterator[Case]:
    """A database for each: a snapshot keeps the dead rows of its whole database."""
    with ExitStack() as open_:
        beside = open_.enter_context(another(place.settings, Addresses(postgres=place.postgres), ("postgres",)))
        reader = open_.enter_context(closing(psycopg2.connect(place.postgres)))
        domain = _domain(place, SMALL)
        # Both are filled before either is used: filling ends with a checkpoint, and first changes after one are dear.
        both = [_filled(open_, at, domain, SMALL) for at in (place.postgres, beside.postgres)]
        reader.set_session(isolation_level="REPEATABLE READ", readonly=True)
        with reader.cursor() as cursor:
            cursor.execute(query("old_snapshot"), {"domain": domain.key})
        for store, filled in both:
            for _ in range(AGE):
                append(store, filled.writes(1, _ACTIVE))
        ours, without = (_runner(store, filled, 1, _ACTIVE) for store, filled in both)
        yield Case(ours=ours, peers={"without the reader": without}, goals={"ratios.without the reader": 0.9})


SUITE = Suite(
    summary="Ten million events beside a hundred thousand, and beside a reader with an old snapshot.",
    needs=("postgres",),
    cases={"append": _append, "relay": _relay, "snapshot": _snapshot},
)
