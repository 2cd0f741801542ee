"""What holds a domain's events: Postgres, and the archive for the first of them where Postgres has these no more."""

from collections.abc import Callable, Iterator
from typing import Any

from infra.audit.archived import Archived
from infra.audit.digests import LEAF, Item, Sum, Sums
from infra.audit.stored import Stored


class Held:
    """The reference of an audit. Up to position `trimmed` it is what the archive has, after that what Postgres has.

    Postgres was trimmed when its first event is not the domain's first, and the archive goes on to there: then that is
    no loss. Without an archive it is one.
    """

    def __init__(self, stored: Stored, archived: Archived | None) -> None:
        self._stored, self._archived = stored, archived
        first = stored.first() if archived else 1
        self.trimmed = first - 1 if archived and first - 1 <= archived.end else 0

    @property
    def names(self) -> str:
        """Who holds it, in words."""
        return "the archive and PostgreSQL" if self.trimmed else "PostgreSQL"

    def sums(self, after: int, upto: int, done: Callable[[int], None]) -> Sums:
        """Digests of the ranges between two positions; `done` is told how far it is."""
        sums, end = Sums(), min(upto, self.trimmed)
        if self._archived and after < end:
            last = end // LEAF
            for leaf, total in self._archived.sums.items():
                if leaf < last:
                    sums[leaf].add(total)
            for item in self._archived.items(max(after, last * LEAF - 1), end):
                sums[last].add(Sum(1, 1, item.content, item.second or 0))
        for leaf, total in self._stored.sums(max(after, end), upto, done).items():
            sums[leaf].add(total)
        return sums

    def items(self, after: int, upto: int) -> list[Item]:
        """The events between two positions one by one, with content and wire digests."""
        archived = self._archived.items(after, min(upto, self.trimmed)) if self._archived else []
        return [*archived, *(self._stored.items(max(after, self.trimmed), upto) if self.trimmed < upto else ())]

    def rows(self, after: int, upto: int) -> Iterator[dict[str, Any]]:
        """The events between two positions with all their columns."""
        if self._archived and after < self.trimmed:
            yield from self._archived.rows(after, min(upto, self.trimmed))
        if self.trimmed < upto:
            yield from self._stored.rows(max(after, self.trimmed), upto)

    def sound(self, position: int) -> bool:
        """Whether the event at a position is what was appended: in the archive it is what its file had at first."""
        return position <= self.trimmed or self._stored.sound(position)
