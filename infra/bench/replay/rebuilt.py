"""Who rebuilds in `bench rebuild`: `headrace rebuild` beside the running pipeline, while events keep coming."""

import threading
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from pathlib import Path

from infra.bench.filled import append
from infra.bench.frame import Sample
from infra.bench.orders import Orders, batches
from infra.bench.place import Place
from infra.bench.process import Process, running
from infra.pipeline import addresses
from infra.positions import Hops
from producers import PostgresEventStore
from producers.store.builds import Builds

# What comes in while the tables are rebuilt: so many events, so many times a second.
LIVE_EVENTS, LIVE_TIMES = 5, 10
_BATCH = 5000
_LEAST = 20_000
_FIRST_RATE = 20_000.0
_PATIENCE = 1800.0
_LOOK_SECONDS = 0.05


class Rebuilds:
    """Rebuilds all tables of a history, again and again; it grows to what takes about the time of a round. `sink` is
    the one that loads them."""

    def __init__(self, place: Place, home: Path, sink: Process) -> None:
        self._place, self._home, self._sink, self._rate = place, str(home), sink, _FIRST_RATE
        self._store = PostgresEventStore(place.postgres, place.orders)
        self._builds = Builds(place.postgres, place.orders)
        self._history, self._live = Orders(place.orders, "order"), Orders(place.orders, "live")

    def close(self) -> None:
        """Close the connections."""
        self._store.close()
        self._builds.close()

    def run(self, seconds: float) -> Sample:
        """One rebuild, from the start of the command to its end: folded, loaded, compared, switched to."""
        self._fill(max(_LEAST, int(self._rate * seconds)))
        count = self._store.head().position
        with self._traffic(), self._command() as process:
            began = time.perf_counter()
            process.until(self._is_folded, "all is folded", _PATIENCE, _LOOK_SECONDS)
            folded = time.perf_counter()
            process.ended(_PATIENCE)
            ended = time.perf_counter()
        with self._command("--drop-old") as process:
            process.ended(_PATIENCE)
        sample = Sample(count, ended - began, notes={"folded_per_s": count / (folded - began)})
        self._rate = sample.rate
        return sample

    def _is_folded(self) -> bool:
        """Whether the new build is followed: the only one that is, beside the live one."""
        return any(build.state == "following" and not build.live for build in self._builds.all())

    def _command(self, *options: str) -> AbstractContextManager[Process]:
        return running(self._place, "cli", self._home, "rebuild", "orders", "--json", *options)

    def _fill(self, count: int) -> None:
        """Append until the history has so many events, and wait until they are in all tables."""
        missing = count - self._store.head().position
        for batch in batches(self._history.writes(max(0, missing)), _BATCH):
            append(self._store, batch)
        head = self._store.head().position
        at = addresses(self._place.settings)
        with Hops(self._place.orders.live, at) as hops:
            self._sink.until(lambda: hops.positions().loaded >= head, "all is loaded", _PATIENCE, _LOOK_SECONDS)

    @contextmanager
    def _traffic(self) -> Iterator[None]:
        ended = threading.Event()

        def go_on() -> None:
            with closing(PostgresEventStore(self._place.postgres, self._place.orders)) as store:
                while not ended.wait(1 / LIVE_TIMES):
                    append(store, self._live.writes(LIVE_EVENTS))

        thread = threading.Thread(target=go_on, name="traffic")
        thread.start()
        try:
            yield
        finally:
            ended.set()
            thread.join()


@contextmanager
def pipeline(place: Place, home: Path) -> Iterator[Process]:
    """Relay, worker and sink as users run them, with `home` for their files; gives the sink."""
    with (
        running(place, "cli", str(home), "relay"),
        running(place, "cli", str(home), "worker", "orders"),
        running(place, "cli", str(home), "sink") as sink,
    ):
        yield sink
