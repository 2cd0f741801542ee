"""`bench latency`: from a command over HTTP until SQL sees it, through the whole running pipeline, hop by hop."""

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from statistics import median

import psutil

from infra import stack
from infra.bench.catalogue import fill
from infra.bench.frame import Case, Sample, Suite, uncollected
from infra.bench.http_clients import request
from infra.bench.kafka import Arrivals
from infra.bench.orders import Orders
from infra.bench.place import Place
from infra.bench.process import free_port, listens, running
from infra.bench.way.bare import BareWay
from infra.bench.way.paced import Sent, send
from infra.bench.way.progress import Progress
from producers.http.paths import command_paths
from sinks.tables import prepare

RATE = 1000
_CONNECTIONS = 50


@dataclass
class Way:
    """The running pipeline: sends commands at the rate, and follows each through the hops."""

    place: Place
    port: int
    relayed: Arrivals
    folded: Arrivals
    loaded: Progress
    processes: Mapping[str, psutil.Process]

    def __post_init__(self) -> None:
        domain = self.place.orders
        self._paths = {kind: path for path, kind in command_paths(domain).items()}
        # A connection has orders of its own, so that no step overtakes the one before it.
        self._orders = [Orders(domain, f"order-{number}") for number in range(_CONNECTIONS)]

    def run(self, seconds: float) -> Sample:
        domain, count = self.place.orders, max(1, round(seconds * RATE / _CONNECTIONS))
        requests = [
            [request(domain, self._paths, id_, command) for id_, command in orders.commands(count)]
            for orders in self._orders
        ]
        before = self._processor()
        with uncollected():
            sent = send(self.port, requests, RATE, f"/api/{domain.name}/")
            self.loaded.wait_for(max(each.position for each in sent))
        duration = max(each.answered for each in sent) - min(each.due for each in sent)
        visible = [(self.loaded.moment(each.position) - each.due) * 1000 for each in sent]
        read = [(each.read - each.due) * 1000 for each in sent if each.read is not None]
        used = {f"{name}_cpu_us": (now - before[name]) / len(sent) * 1e6 for name, now in self._processor().items()}
        notes = {**self._hops(sent), "read_by_token_p50_ms": median(read), **used}
        return Sample(len(sent), duration, visible, notes)

    def _processor(self) -> dict[str, float]:
        """Processor seconds that each process has used."""
        return {name: sum(process.cpu_times()[:2]) for name, process in self.processes.items()}

    def _hops(self, sent: Sequence[Sent]) -> dict[str, float]:
        """Medians, in ms, of what each hop takes after the one before it."""
        hops: dict[str, list[float]] = {"stored": [], "relayed": [], "folded": [], "loaded": []}
        for each in sent:
            relayed, folded = self.relayed.moments.get(each.position), self.folded.moments.get(each.position)
            if relayed is None or folded is None:  # a later version of its row came in the same chunk
                continue
            moments = [each.due, each.answered, relayed, folded, self.loaded.moment(each.position)]
            for number, name in enumerate(hops):
                hops[name].append(max(0.0, moments[number + 1] - moments[number]) * 1000)
        return {f"{name}_ms": median(found) if found else 0.0 for name, found in hops.items()}


@contextmanager
def _command(place: Place) -> Iterator[Case]:
    domain = place.orders
    prepare(place.clickhouse, [domain])
    fill(place)
    orders = domain.aggregate_topic(domain.aggregate("orders"))
    with ExitStack() as open_:
        data = open_.enter_context(tempfile.TemporaryDirectory(prefix="headrace-bench-"))
        port, processes = free_port(), _servers(place)
        for name, *arguments in (("relay", str(domain.generation)), ("worker", data), ("sink",), ("api",)):
            process = open_.enter_context(running(place, name, *arguments, port=port if name == "api" else 0))
            processes[name] = psutil.Process(process.pid)
        process.until(lambda: listens(port, process), "the API listens")
        relayed = open_.enter_context(Arrivals(place.kafka, domain.events_topic, domain.partitions))
        folded = open_.enter_context(Arrivals(place.kafka, orders, domain.partitions))
        loaded = open_.enter_context(Progress(place.settings.clickhouse_reader, domain, orders))
        loaded.wait_for(len(Orders.catalogue()))
        bare = open_.enter_context(closing(BareWay(place, RATE)))
        yield Case(
            ours=Way(place, port, relayed, folded, loaded, processes),
            floor=bare,
            unit="commands",
            paced=True,
            goals={"p50_ms": 100, "p95_ms": 300},
        )


def _servers(place: Place) -> dict[str, psutil.Process]:
    """The embedded servers of one process, where they run here."""
    parts = stack.status(place.settings.home) if stack.running(place.settings.home) else ()
    return {part.name: psutil.Process(part.pid) for part in parts if part.name in ("kafka", "clickhouse") and part.pid}


SUITE = Suite(
    summary="From a command over HTTP until SQL sees it, at 1000 commands/s.",
    needs=("postgres", "kafka", "clickhouse"),
    cases={"command": _command},
)
