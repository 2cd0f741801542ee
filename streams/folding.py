"""Folds a run of records in memory: the one driver for the live worker, for tests and for replay.

Nothing here knows Kafka or Faust. A run is folded as a whole and answers with what has changed; the caller
applies that to its tables and writes it.
"""

from collections.abc import Container, Iterable, Mapping, Sequence

import msgspec
from msgspec import UNSET

from schemas import Control, Domain, Event, Ticked, encode, envelope_decoder, row_decoder
from streams.changes import AnyRecord, Changes
from streams.fold import Fold, by_stream
from streams.rows import Rows, WindowRows
from streams.run import Routes, Run
from streams.versions import Versions
from streams.windows import OpenWindows, Place


class Folder:
    """The folds of one domain, ready to run.

    Raises ValueError unless each aggregate has exactly one fold, and the rows of windows a field for the final mark.
    """

    def __init__(self, domain: Domain, folds: Sequence[Fold]) -> None:
        where = f"streams/domains/{domain.name}.py"
        if sorted(fold.aggregate for fold in folds) != sorted(a.name for a in domain.aggregates):
            raise ValueError(f"{where} must declare one fold for each aggregate")
        self.folds = tuple(folds)
        self.aggregates = tuple(domain.aggregate(fold.aggregate) for fold in folds)
        for fold, aggregate in zip(self.folds, self.aggregates, strict=True):
            if fold.window is not None and "final" not in aggregate.value.__struct_fields__:
                raise ValueError(f"{where}: {aggregate.value.__name__} needs a field `final: bool`, as it has windows")
        self._decode = envelope_decoder(domain).decode
        self._decoders = tuple(row_decoder(aggregate).decode for aggregate in self.aggregates)
        plain = [place for place, fold in enumerate(self.folds) if fold.key is by_stream and fold.window is None]
        self._carrier = plain[0] if plain else None
        self._event_time = domain.event_time
        self._concerned = {event: self._concerns(event) for event in domain.events}

    def _concerns(self, event: type[Event]) -> list[int]:
        """The places of the folds that are called for events of a type."""
        if event is Ticked:
            return []
        return [place for place, fold in enumerate(self.folds) if not fold.events or event in fold.events]

    def open_windows(self, rows: Sequence[Iterable[bytes]], mark: Control | None) -> OpenWindows:
        """The open windows of a partition with these row keys (for each fold), complete up to `mark`."""
        closed = UNSET if mark is None else mark.watermark if mark.closed is UNSET else mark.closed
        endings = (
            (fold.window.end_of(row_key), Place(table, row_key))
            for table, (fold, row_keys) in enumerate(zip(self.folds, rows, strict=False))
            if fold.window is not None
            for row_key in row_keys
        )
        found = list(endings)
        kept = (
            (end + fold.window.keep, place)
            for end, place in found
            if closed is not UNSET and end <= closed
            if (fold := self.folds[place.table]).window is not None and fold.window.keep is not None
        )
        return OpenWindows(mark, (ending for ending in found if closed is UNSET or ending[0] > closed), kept)

    def run(
        self,
        records: Iterable[AnyRecord],
        rows: Sequence[Mapping[bytes, bytes]],
        held: Container[bytes] = (),
        windows: OpenWindows | None = None,
    ) -> Changes:
        """Fold `records`, one partition's in order, over `rows` (one mapping a fold) and its open windows; none of
        them is changed. With one more mapping, the versions of streams, gaps in these hold their keys.

        Never raises for what a record or a fold does. A row that cannot be written (not encodable, too large)
        holds its partition key from the event on that made it so: the run is folded again to find it. Where that is no
        event but the closing of a window, the key is held as if its first event in this run had failed.
        """
        records, windows = list(records), windows or OpenWindows()
        doubted: set[bytes] = set()
        refused: dict[bytes, Exception] = {}
        while True:
            tables = [self._table(place, stored) for place, stored in enumerate(rows[: len(self.folds)])]
            carrier = None if self._carrier is None else tables[self._carrier]
            versions = Versions(carrier, rows[-1]) if len(rows) > len(tables) else None
            run = Run(self._decode, self._routes(tables), tables, carrier, versions, held, doubted, refused)
            run.fold(records, 0 if windows.mark is None else windows.mark.position)
            run.close(windows, records[-1][2] if records else 0)
            unwritable = [table.encode() for table in tables]
            if not any(unwritable):
                noted = () if versions is None else (versions.encode(),)
                run.changes.rows = (*(table.encoded for table in tables), *noted)
                return run.changes
            for errors in unwritable:
                refused.update((key, error) for key, error in errors.items() if key in doubted)
            doubted.update(*unwritable)

    def in_epoch(self, place: int, rows: Mapping[bytes, bytes], epoch: int) -> dict[bytes, bytes]:
        """Rows of the fold at a place, with that epoch."""
        decode = self._decoders[place]
        return {key: encode(msgspec.structs.replace(decode(value), epoch=epoch)) for key, value in rows.items()}

    def _table(self, place: int, stored: Mapping[bytes, bytes]) -> Rows:
        fold, decode = self.folds[place], self._decoders[place]
        if fold.window is None:
            return Rows(fold, decode, stored)
        counts_late = "late" in self.aggregates[place].value.__struct_fields__
        return WindowRows(fold, decode, stored, fold.window, self._event_time, counts_late)

    def _routes(self, tables: Sequence[Rows]) -> Routes:
        concerned = {event: [tables[place] for place in places] for event, places in self._concerned.items()}
        return {
            event: (
                [table for table in found if not isinstance(table, WindowRows)],
                [table for table in found if isinstance(table, WindowRows)],
            )
            for event, found in concerned.items()
        }
