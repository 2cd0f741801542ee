"""The events that `bench fold` folds: a topic of them as the relay writes it, and a ledger with every answer."""

import random
from array import array
from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import accumulate, islice

from infra.bench.errors import BenchError
from infra.bench.fold.domain import PLACED, STEPS
from infra.bench.kafka import BareProducer
from producers.relay.partitioner import partition_of
from producers.relay.records import Rows
from schemas import Domain

_BATCH = 5000  # events in a transaction, as the relay's when it has much to do
_CUSTOMERS = 1000
_INSTANT = b"2026-01-01 12:00:00.123456+00"
_HASH = b"0123456789abcdef" * 4
_KINDS = [step.__name__.encode() for step in STEPS]
Keys = Callable[[random.Random], Iterator[int]]


def uniform(count: int) -> Keys:
    """Each of `count` keys as often as any other."""

    def choose(source: random.Random) -> Iterator[int]:
        while True:
            yield int(source.random() * count)

    return choose


def zipf(count: int) -> Keys:
    """Of `count` keys the one of rank r in proportion to 1/r (Zipf's law with the exponent 1)."""

    def choose(source: random.Random) -> Iterator[int]:
        cumulated = list(accumulate(1 / rank for rank in range(1, count + 1)))
        while True:
            yield from source.choices(range(count), cum_weights=cumulated, k=_BATCH)

    return choose


def in_turn(count: int) -> Keys:
    """All of `count` keys one after the other, again and again."""

    def choose(_: random.Random) -> Iterator[int]:
        while True:
            yield from range(count)

    return choose


@dataclass(frozen=True, slots=True)
class Answer:
    """What the fold gives for one order: version and type of the last event, the sum of what was placed, in cents."""

    version: int
    status: str
    cents: int


@dataclass
class _Partition:
    """What was written to a partition: the key of each event in order, and where each transaction begins."""

    keys: "array[int]" = field(default_factory=lambda: array("I"))
    offsets: list[int] = field(default_factory=lambda: [0])
    events: list[int] = field(default_factory=lambda: [0])

    def below(self, offset: int) -> int:
        """How many events stand below the offset. A transaction is its events and one marker."""
        number = bisect_right(self.offsets, offset) - 1
        inside = self.events[number] + offset - self.offsets[number]
        return min(inside, self.events[number + 1] if number + 1 < len(self.events) else len(self.keys))


class Input:
    """An events topic that is written here alone, and what folding it must give."""

    def __init__(self, kafka: str, domain: Domain, keys: Keys) -> None:
        """`domain`'s events topic must exist and be empty."""
        self.topic = domain.events_topic
        self._producer = BareProducer(kafka, self.topic)
        self._keys = keys(random.Random(7))
        self._random = random.Random(8)
        self._rows = Rows(domain)
        self._places: dict[int, int] = {}
        self._partitions = [_Partition() for _ in range(domain.partitions)]
        self._sums: dict[int, array[int]] = {}
        self.count = 0

    def fill(self, count: int) -> None:
        """Write events until there are so many."""
        while self.count < count:
            size = min(_BATCH, count - self.count)
            chosen = list(islice(self._keys, size))
            rows = self._rows.parse([self._line(key) for key in chosen])
            self._producer.publish([(row.key, row.value) for row in rows])
            for partition in {self._places[key] for key in chosen}:
                place = self._partitions[partition]
                place.offsets.append(place.offsets[-1] + len(place.keys) - place.events[-1] + 1)
                place.events.append(len(place.keys))

    def below(self, offsets: Mapping[int, int]) -> int:
        """How many events stand below these offsets, by partition."""
        return sum(self._partitions[number].below(offset) for number, offset in offsets.items())

    def ends(self) -> dict[int, int]:
        """The offset after the last event of each partition, without the transaction's marker."""
        return {number: place.offsets[-1] - 1 for number, place in enumerate(self._partitions) if place.keys}

    def check(self, answers: Mapping[bytes, Answer], offsets: Mapping[int, int], *, exact: bool) -> None:
        """Raise BenchError unless the answers, by order, are those of the events below `offsets`; unless `exact`,
        some orders may be ahead of it."""
        for number, place in enumerate(self._partitions):
            counts = Counter(place.keys[: place.below(offsets.get(number, 0))])
            for key, least in counts.items():
                found = answers.get(_name(key))
                version = 0 if found is None else found.version
                if version < least or (exact and version > least):
                    raise BenchError(f"{_name(key).decode()} was folded to version {version} of {least}")
        for name, answer in answers.items():
            self._check(name, answer)

    def _check(self, name: bytes, answer: Answer) -> None:
        sums = self._sums[int(name.rpartition(b"-")[2])]
        status = STEPS[(answer.version - 1) % len(STEPS)].__name__
        right = Answer(answer.version, status, sums[answer.version - 1])
        if answer != right:
            raise BenchError(f"{name.decode()} was folded to {answer}, which should be {right}")

    def _line(self, key: int) -> bytes:
        """One event as Postgres gives it to the relay (COPY text); notes it in the ledger."""
        name, sums = _name(key), self._sums.setdefault(key, array("q"))
        version, cents = len(sums) + 1, 100 + int(self._random.random() * 99_900)
        kind = _KINDS[(version - 1) % len(_KINDS)]
        before = sums[-1] if sums else 0
        sums.append(before + cents if kind == _PLACED else before)
        place = self._places.get(key)
        if place is None:
            place = self._places[key] = partition_of(name, len(self._partitions))
        self._partitions[place].keys.append(key)
        self.count += 1
        return (
            b"%d\t%b\t%b\t%d\t%b\t%b\t%b\t%b\t\\N\t%b-%d\t1\t\\N\t\\N\t"
            b'{"type":"%b","order_id":"%b","customer_id":"c-%d","amount":"%d.%02d","currency":"EUR"}\n'
        ) % (
            self.count, name, name, version, kind, _INSTANT, _INSTANT, _HASH, name, version,
            kind, name, key % _CUSTOMERS, cents // 100, cents % 100,
        )  # fmt: skip

    def close(self) -> None:
        """End the producer."""
        self._producer.close()


_PLACED = PLACED.encode()


def _name(key: int) -> bytes:
    return b"order-%d" % key
