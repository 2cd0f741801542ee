"""One row as of a position, refolded from the events of its partition key alone."""

from collections import OrderedDict
from collections.abc import Mapping
from typing import Any

from infra.history import Recorded
from infra.refolds import StoredHistory
from infra.stack import Addresses
from producers.erasure import SubjectKeys
from producers.history.touched import Touched
from schemas import Control, Domain, HeadraceError, Unavailable
from sinks.editions import loaded_row
from sinks.query.past import Seen
from streams.changes import Record
from streams.fold import Fold, by_partition_key, by_stream
from streams.replay.partition import PartitionFold

# A key with more events than this is left to the processes that fold editions.
_EVENTS = 20_000
_REMEMBERED = 256


class TooLong(Exception):
    """A partition key has too many events to be folded here."""


class SingleRows:
    """Rows of one domain. Not for several threads. Raises Unavailable when a server does not answer."""

    def __init__(self, domain: Domain, history: Recorded, at: Addresses, keys: SubjectKeys) -> None:
        self._domain, self._recorded, self._keys = domain, history, keys
        self._folder = history.folder()
        self._folds = {fold.aggregate: fold for fold in self._folder.folds}
        self._events, self._touched = StoredHistory(at.postgres, domain), Touched(at.postgres, domain)
        self._known: OrderedDict[tuple[str, str], Mapping[str, Mapping[bytes, bytes]]] = OrderedDict()

    def close(self) -> None:
        """Close the connections."""
        self._events.close()
        self._touched.close()

    def row(self, aggregate: str, row: str, position: int, stem: str) -> Seen | None:
        """The row; None when its partition key cannot be known from its key, or is long, or is not in the event store.

        `stem` names what the row depends on: position, code, and the events left out.
        """
        fold = self._folds[aggregate]
        if fold.window is not None or fold.key not in (by_stream, by_partition_key):
            return None
        key = self._partition_key(fold, row)
        if key is None or position == 0:
            return Seen(None)
        try:
            value = self._tables(key, position, stem)[aggregate].get(row.encode())
        except TooLong:
            return None
        except HeadraceError as error:
            if isinstance(error, Unavailable):
                raise
            return None  # part of the key's events may be in the archive alone
        return Seen(None if value is None else self._opened(aggregate, row, value))

    def _partition_key(self, fold: Fold, row: str) -> str | None:
        if "\0" in row:
            return None
        return row if fold.key is by_partition_key else self._touched.of_streams([row]).get(row)

    def _tables(self, key: str, position: int, stem: str) -> Mapping[str, Mapping[bytes, bytes]]:
        if (stem, key) not in self._known:
            self._known[stem, key] = self._fold(key, self._recorded.mark(position))
            if len(self._known) > _REMEMBERED:
                self._known.popitem(last=False)
        self._known.move_to_end((stem, key))
        return self._known[stem, key]

    def _fold(self, key: str, mark: Control) -> Mapping[str, Mapping[bytes, bytes]]:
        skipped, name, count = self._events.skipped(key), key.encode(), 0
        fold = PartitionFold(self._folder, 0, mark, {name: skipped} if skipped else {})
        for page in self._events.events(key, 0, mark.position):
            count += len(page)
            if count > _EVENTS:
                raise TooLong(key)
            fold.fold([Record(name, event.value, -1) for event in page])
        return fold.finish().tables

    def _opened(self, aggregate: str, row: str, value: bytes) -> dict[str, Any]:
        return loaded_row(self._domain, self._keys.opening, aggregate, row, value)
