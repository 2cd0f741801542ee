"""`bench relay`: from stored events to records that consumers can read, with the relay in a process of its own."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import replace

import msgspec
from confluent_kafka import Consumer

from infra import topics
from infra.bench.errors import BenchError
from infra.bench.frame import Case, Sample, Suite, uncollected
from infra.bench.kafka import Arrivals, BareProducer, new_topic, reader
from infra.bench.orders import Orders, batches
from infra.bench.place import Place
from infra.bench.prepared import Prepared
from infra.bench.process import running
from producers import PostgresEventStore
from producers.relay.records import Checkpoint
from producers.relay.source import Source

_BATCH = 10_000
_LEAST = 3 * _BATCH
_APPEND = 1000
_FIRST_RATE = 50_000.0
_PATIENCE = 60.0
# The paced case: so many events each so often make 2000/s.
_PACE_EVENTS = 20
_PACE_SECONDS = 0.01
# The size of an event's record.
_BODY = b'"data":"%b"}' % (b"x" * 600)


class Drain:
    """The relay drains all stored events into the fresh topics of one more generation of the domain."""

    def __init__(self, place: Place, store: PostgresEventStore) -> None:
        self._place = place
        self._store = store
        self._orders = Orders(place.orders, "order")
        self._stored = 0
        self._generation = 1
        self._rate = _FIRST_RATE

    def store(self, count: int) -> None:
        """Append events until there are so many."""
        missing = max(0, count - self._stored)
        for writes in batches(self._orders.writes(missing), _APPEND):
            self._store.append(writes)
        self._stored += missing

    def run(self, seconds: float) -> Sample:
        self.store(max(int(self._rate * seconds), _LEAST))
        self._generation += 1
        domain = replace(self._place.orders, generation=self._generation)
        topics.declare(self._place.kafka, [domain])
        with (
            closing(reader(self._place.kafka, domain.checkpoints_topic, 1)) as checkpoints,
            running(self._place, "relay", str(self._generation)),
        ):
            sample = self._watch(checkpoints)
        self._rate = sample.rate
        return sample

    def _watch(self, checkpoints: Consumer) -> Sample:
        """From the first batch that can be read to the last: the start of the process is not measured."""
        first = last = (0, 0.0)
        while last[0] < self._stored:
            message = checkpoints.poll(_PATIENCE)
            if message is None or message.error():
                raise BenchError(f"the relay got to position {last[0]} of {self._stored} only")
            last = msgspec.json.decode(message.value() or b"", type=Checkpoint).position, time.perf_counter()
            first = first if first[0] else last
        return Sample(last[0] - first[0], last[1] - first[1])


@contextmanager
def _throughput(place: Place) -> Iterator[Case]:
    domain = place.orders
    floor = _topic(place)
    with ExitStack() as open_:
        store = open_.enter_context(closing(PostgresEventStore(place.postgres, domain)))
        drain = Drain(place, store)
        drain.store(_LEAST)
        with Source(place.postgres, domain) as source:
            records = [(row.key, row.value) for row in source.read(Checkpoint())[1]]
        producer = open_.enter_context(closing(BareProducer(place.kafka, floor)))
        yield Case(
            ours=drain,
            floor=Prepared(lambda parts: [records] * parts, producer.publish),
            goals={"rate": 100_000},
        )


class Paced:
    """Sends a few events each hundredth of a second and times each from its commit until its record can be read.

    `send(number)` stores or publishes that part; it answers the positions and the moment from which they count.
    """

    def __init__(self, send: Callable[[int], tuple[Sequence[int], float]], arrivals: Arrivals) -> None:
        self._send = send
        self._arrivals = arrivals
        self._sent = 0

    def run(self, seconds: float) -> Sample:
        since: dict[int, float] = {}
        with uncollected():
            began = time.perf_counter()
            for part in range(max(1, round(seconds / _PACE_SECONDS))):
                time.sleep(max(0.0, began + part * _PACE_SECONDS - time.perf_counter()))
                positions, moment = self._send(self._sent)
                self._sent += 1
                since |= dict.fromkeys(positions, moment)
            duration = time.perf_counter() - began
            for position in since:
                self._arrivals.wait_for(position)
        moments = self._arrivals.moments
        latencies = [max(0.0, moments[position] - moment) * 1000 for position, moment in since.items()]
        return Sample(len(since), duration, latencies, {"paced_per_s": len(since) / duration})


@contextmanager
def _latency(place: Place) -> Iterator[Case]:
    domain = place.orders
    orders, floor = Orders(domain, "order"), _topic(place)
    with ExitStack() as open_:
        store = open_.enter_context(closing(PostgresEventStore(place.postgres, domain)))
        open_.enter_context(running(place, "relay", str(domain.generation)))
        arrivals = open_.enter_context(Arrivals(place.kafka, domain.events_topic, domain.partitions))
        producer = open_.enter_context(closing(BareProducer(place.kafka, floor)))
        bare_arrivals = open_.enter_context(Arrivals(place.kafka, floor, domain.partitions))

        def append(_: int) -> tuple[Sequence[int], float]:
            outcomes = store.append(orders.writes(_PACE_EVENTS))
            return [outcome.position for outcome in outcomes], time.perf_counter()

        def produce(number: int) -> tuple[Sequence[int], float]:
            positions = range(number * _PACE_EVENTS + 1, (number + 1) * _PACE_EVENTS + 1)
            moment = time.perf_counter()
            producer.publish([(b"%d" % position, b'{"position":%d,' % position + _BODY) for position in positions])
            return positions, moment

        yield Case(ours=Paced(append, arrivals), floor=Paced(produce, bare_arrivals), paced=True, goals={"p95_ms": 50})


def _topic(place: Place) -> str:
    """A topic for the bare producer, with the partitions of the events topic."""
    return new_topic(place.kafka, f"{place.settings.namespace}.floor", place.orders.partitions)


SUITE = Suite(
    summary="From stored events to records that can be read.",
    needs=("postgres", "kafka"),
    cases={"throughput": _throughput, "latency": _latency},
)
