"""`bench verify`: how fast history is verified, and what that leaves to the appends beside it."""

import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from threading import Event

from infra.bench.errors import BenchError
from infra.bench.filled import append
from infra.bench.frame import Case, Sample, Suite
from infra.bench.orders import Orders, batches
from infra.bench.place import Place
from infra.bench.prepared import Prepared
from producers import PostgresEventStore
from producers.proof.reader import Reader
from producers.proof.verification import Verification
from producers.store import Write
from schemas import Domain

# Large enough that the pages have their size for most of a run.
HISTORY = 200_000
_STORED_AT_ONCE = 1_000
_BATCH = 100
_ALONE = "without verification"


class _Enough(Exception):
    """Ends a verification."""


class Verifying:
    """Verifies all of a domain again and again, as `headrace verify` does."""

    def __init__(self, place: Place, domain: Domain) -> None:
        self._place = place
        self._domain = domain

    def run(self, seconds: float) -> Sample:
        events, began = 0, time.perf_counter()
        while not events or time.perf_counter() - began < seconds:
            events += self.once(lambda _phase, _done, _total: None)
        return Sample(events, time.perf_counter() - began)

    def until(self, stop: Event) -> None:
        """Go on until `stop` is set."""

        def show(_phase: str, _done: int, _total: int | None) -> None:
            if stop.is_set():
                raise _Enough

        try:
            while True:
                self.once(show)
        except _Enough:
            pass

    def once(self, show: Callable[[str, int, int | None], None]) -> int:
        """Verify once; the number of events. Raises BenchError when something is wrong with them."""
        with Reader(self._place.postgres, self._domain) as reader:
            report = Verification(self._domain, reader, show).run()
        if report.findings:
            raise BenchError(f"the history of the benchmark is not good: {report.findings[0].detail}")
        return report.events


class _Beside:
    """Appends while history is verified."""

    def __init__(self, appends: Prepared[Sequence[Write]], verifying: Verifying) -> None:
        self._appends = appends
        self._verifying = verifying

    def run(self, seconds: float) -> Sample:
        stop = Event()
        with ThreadPoolExecutor(1) as thread:
            verified = thread.submit(self._verifying.until, stop)
            try:
                sample = self._appends.run(seconds)
            finally:
                stop.set()
            verified.result()
        return sample


@contextmanager
def _stored(place: Place) -> Iterator[tuple[PostgresEventStore, Orders]]:
    with closing(PostgresEventStore(place.postgres, place.orders)) as store:
        orders = Orders(place.orders, "order")
        for writes in batches(orders.writes(HISTORY), _STORED_AT_ONCE):
            append(store, writes)
        yield store, orders


@contextmanager
def _events(place: Place) -> Iterator[Case]:
    with _stored(place):
        yield Case(ours=Verifying(place, place.orders), goals={"rate": 100_000})


@contextmanager
def _appends(place: Place) -> Iterator[Case]:
    with _stored(place) as (store, orders):

        def runner() -> Prepared[Sequence[Write]]:
            return Prepared(
                lambda parts: [orders.writes(_BATCH) for _ in range(parts)],
                lambda writes: append(store, writes),
                timed=True,
            )

        yield Case(
            ours=_Beside(runner(), Verifying(place, place.orders)),
            peers={_ALONE: runner()},
            goals={f"ratios.{_ALONE}": 0.9},
        )


SUITE = Suite(
    summary="Verifying history, and appends beside that.",
    needs=("postgres",),
    cases={"events": _events, "appends": _appends},
)
