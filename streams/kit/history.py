"""A history of events for tests of folds, and the tables that it makes in memory."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from random import Random
from typing import Any, NamedTuple, Protocol

from schemas import Domain, Envelope, Event, Ticked, row_decoder, stage_module
from streams.fold import Fold
from streams.folding import Folder
from streams.kit.memory import played, whole

# By table, its rows as they are written: row key to the encoded row.
Tables = dict[str, dict[bytes, bytes]]
_TICKS = "~ticks"


class Folded(Protocol):
    """What was folded of one partition."""

    @property
    def rows(self) -> Sequence[Mapping[bytes, bytes]]: ...


class Step(NamedTuple):
    """An event and the stream that it is appended to."""

    stream: str
    event: Event


def on(stream: str, *events: Event) -> list[Step]:
    """Events appended to a stream, one after the other."""
    return [Step(stream, event) for event in events]


def tick(at: datetime) -> list[Step]:
    """A tick: the domain was quiet, and its event time went on to `at`."""
    return on(_TICKS, Ticked(at=at))


def given(domain: Domain, *happened: Iterable[Step], folds: Sequence[Fold] | None = None) -> "Given":
    """The history of a domain in which this has happened, in this order.

    `folds` are those of the domain's module in `streams.domains` unless they are given.
    """
    folds = stage_module("streams", domain).FOLDS if folds is None else folds
    steps = [step for part in happened for step in part]
    return Given(domain, tuple(folds), tuple(_envelopes(domain, steps)))


@dataclass(frozen=True)
class Given:
    """Events with positions, versions and watermarks as the append stamps them. Make one with `given`."""

    domain: Domain
    folds: tuple[Fold, ...]
    events: tuple[Envelope[Any], ...]

    @property
    def folder(self) -> Folder:
        """The folds, ready to run."""
        return Folder(self.domain, self.folds)

    @property
    def names(self) -> list[str]:
        """The tables, in the order of their folds."""
        return [fold.aggregate for fold in self.folds]

    def table(self, name: str) -> dict[str, Any]:
        """A table: row key to row. Raises AssertionError when an event was not folded, with the fold's error."""
        if self.held:
            raise AssertionError(f"keys are held: {self.held}")
        decode = row_decoder(self.domain.aggregate(name)).decode
        return {key.decode(): decode(row).data for key, row in self.folded()[name].items()}

    @property
    def held(self) -> dict[str, str]:
        """Why each partition key is held that is: the error of its first event that could not be folded."""
        return {key.decode(): error for key, error in whole(self.folder, self.events).held.items()}

    def folded(self, random: Random | None = None) -> Tables:
        """All tables, in bytes.

        With `random`, as it may come to pass in operation: on several partitions, cut into chunks, with records that
        come again and control records between them, and with restarts that know only what was written.
        """
        if random is None:
            return self.tables([whole(self.folder, self.events)])
        return self.tables(played(self.folder, self.events, random))

    def tables(self, partitions: Iterable[Folded]) -> Tables:
        """The tables of all partitions together. Raises AssertionError for a row that is on two of them."""
        merged: Tables = {name: {} for name in self.names}
        for partition in partitions:
            for name, rows in zip(self.names, partition.rows, strict=False):
                assert merged[name].keys().isdisjoint(rows), "one row has events of several partition keys"
                merged[name] |= rows
        return merged


def _envelopes(domain: Domain, steps: Sequence[Step]) -> Iterator[Envelope[Any]]:
    versions: dict[str, int] = defaultdict(int)
    keys: dict[str, str] = {}
    latest: datetime | None = None
    for position, (stream, event) in enumerate(steps, 1):
        versions[stream] += 1
        if stream not in keys:
            keys[stream] = _partition_key(domain, stream, event)
        happened = domain.event_time(event)
        latest = happened if latest is None else max(latest, happened)
        yield Envelope(
            id=f"given-{position}:1",
            source=f"headrace/{domain.key}",
            type=type(event).__name__,
            subject=stream,
            # An event that is ahead of the clock does not move event time ahead of it; here no event is.
            time=latest,
            sequence=versions[stream],
            position=position,
            partitionkey=keys[stream],
            hash=f"{position:064x}",
            correlationid=f"given-{position}",
            causationid=f"given-{position}",
            watermark=latest - domain.allowed_lateness,
            data=event,
        )


def _partition_key(domain: Domain, stream: str, first: Event) -> str:
    """The key that a stream has from its first event; of one that a stream cannot begin with, the stream id."""
    if domain.partition_by is not None and not isinstance(first, Ticked):
        with suppress(Exception):
            return domain.partition_by(first)
    return stream.lstrip("~")
