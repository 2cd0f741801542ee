"""The recorded history of a domain, to be folded anew: where its records are read, and what is left out of them."""

from bisect import bisect_right
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from functools import cache, partial
from typing import TypeVar

from infra.archived import ArchivedSource, ending
from infra.ordered import Ordered, StoredSource
from infra.stack import Addresses
from producers.history import Skips as SkipTable
from producers.history import WholeHistory
from schemas import Control, Domain, Fatal, discover, stage_module
from streams.fold import Fold
from streams.folding import Folder
from streams.replay import Replayed, Skips, Source, Task

T = TypeVar("T")


@dataclass(frozen=True)
class Recorded:
    """A domain with its history, as other processes can be told of it: everything here is picklable.

    `domain` gives the domain, `folds` its folds; see `recorded`. `archive` is the URL of its archive, empty for none.
    """

    domain: Callable[[], Domain]
    folds: Callable[[], Sequence[Fold]]
    at: Addresses
    archive: str = ""

    def folder(self) -> Folder:
        """The folds, ready to run."""
        return Folder(self.domain(), self.folds())

    def source(self) -> Source:
        """The records: from Kafka while the topic has the first ones; else from archive, event store and Kafka."""
        return Ordered(self.domain(), self.at.kafka, self.at.postgres, self.archive)

    def stored(self) -> Source:
        """The records from the event store, whatever Kafka has."""
        return StoredSource(self.domain(), self.at.postgres)

    def archived(self) -> ArchivedSource:
        """The records from the archive alone."""
        return ArchivedSource(self.domain(), self.archive)

    def head(self) -> int:
        """The position of the last event in the event store. Raises Unavailable."""
        with closing(WholeHistory(self.at.postgres, self.domain())) as history:
            return history.head()

    def mark(self, position: int) -> Control:
        """What is recorded of a position, which must be one that was reached. Raises Fatal, Unavailable."""
        with closing(WholeHistory(self.at.postgres, self.domain())) as history:
            return self._marks(history)(position)

    def position_at(self, instant: datetime) -> int:
        """The position of the last event that was appended by an instant; 0 when none was. Raises as `mark`."""
        with closing(WholeHistory(self.at.postgres, self.domain())) as history:
            mark = self._marks(history)
            # Time grows with the position. A few probes of the primary key need no second index.
            return bisect_right(range(1, history.head() + 1), instant, key=lambda each: mark(each).time)

    def _marks(self, history: WholeHistory) -> Callable[[int], Control]:
        """Tells what the event store says of a position, else the archive, which is opened once for all positions."""
        opened = cache(self.archived)

        def mark(position: int) -> Control:
            try:
                return history.at(position)
            except Fatal as error:
                archived = opened() if self.archive else None
                if archived and position <= archived.end:
                    return archived.mark(position)
                raise Fatal(f"{error.detail}; {ending(archived)}", rule=error.rule) from error

        return mark

    def skips(self) -> Skips:
        """The events that are left out of the folds today, by partition key."""
        found: dict[bytes, set[str]] = {}
        with closing(SkipTable(self.at.postgres, self.domain())) as table:
            for skip in table.of():
                found.setdefault(skip.key.encode(), set()).add(skip.event)
        return {key: frozenset(ids) for key, ids in found.items()}

    def task(self, position: int, finish: Callable[[Replayed], T]) -> Task[T]:
        """The replay of all events up to a position. Raises Fatal, Unavailable."""
        return Task(folder=self.folder, source=self.source, mark=self.mark(position), finish=finish, skips=self.skips())


def recorded(domain: Domain, at: Addresses, archive: str = "") -> Recorded:
    """The history of one of the declared domains, in its projection version; `archive` is the URL of its archive."""
    found = partial(_declared, domain.name, domain.namespace, domain.projection)
    return Recorded(found, partial(_folds, found), at, archive)


def _declared(name: str, namespace: str, projection: int) -> Domain:
    versions = discover(namespace)[name].projections
    return next(version for version in versions if version.projection == projection)


def _folds(domain: Callable[[], Domain]) -> Sequence[Fold]:
    return tuple(stage_module("streams", domain()).FOLDS)
