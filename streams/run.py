"""One pass of the folds over a run of records."""

import dataclasses
from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from itertools import islice
from typing import Any, cast

import msgspec
from msgspec import UNSET, UnsetType
from msgspec.structs import replace

from schemas import (
    CONTROL_KEYS,
    REFOLD_KEY,
    RESERVED_PREFIX,
    WATERMARK_KEY,
    Control,
    Envelope,
    Event,
    Malformed,
    Refold,
    Row,
)
from streams.changes import AnyRecord, Changes
from streams.failures import dead_letter
from streams.rows import Rows, Staged, WindowRows, written
from streams.store import Damaged
from streams.versions import VersionGap, Versions
from streams.windows import OpenWindows, Place

_RESERVED = RESERVED_PREFIX.encode()
_refold_decoder = msgspec.json.Decoder(Refold)
_control_decoder = msgspec.json.Decoder(Control)
# By an event's type, the tables that it concerns: those of rows, and those of windows.
Routes = Mapping[type[Event], tuple[Sequence[Rows], Sequence[WindowRows]]]
# How many windows one run closes.
MAX_CLOSED = 10_000
_ALL = 1 << 40
_MOMENT = timedelta(microseconds=1)


class Run:
    """Folds the records, then closes windows; `changes` has what changed, but for the encoded rows.

    Each row of a `doubted` partition key is encoded after each event, to find the one for which it cannot be written;
    a `refused` one is held from its first event on.
    """

    def __init__(
        self,
        decode: Callable[[bytes], Envelope[Any]],
        routes: Routes,
        tables: Sequence[Rows],
        carrier: Rows | None,
        versions: Versions | None,
        held: Container[bytes],
        doubted: Container[bytes],
        refused: Mapping[bytes, Exception],
    ) -> None:
        self.changes = Changes(rows=())
        self._decode, self._routes, self._tables, self._held, self._refused = decode, routes, tables, held, refused
        self._carrier, self._versions, self._doubted = carrier, versions, doubted
        self._taken: dict[bytes | None, str] = {}  # keys of which events are folded, as text
        self._stopped: set[bytes] = set()  # keys of which nothing more is folded in this run
        self._held_at: dict[bytes, datetime] = {}  # the watermarks of the events for which keys were held

    def fold(self, records: Iterable[AnyRecord], floor: int) -> None:
        """Fold the records; what a record or a fold does holds its key and is not raised.

        The rows are complete up to the position `floor`.
        """
        # The hot loop: plain and in one piece on purpose.
        decode, routes, taken, doubted = self._decode, self._routes, self._taken, self._doubted
        carrier, versions = self._carrier, self._versions
        carried = {} if carrier is None else carrier.seen
        noted = {} if versions is None else versions.noted
        last: Envelope[Any] | None = None
        staged: Staged = []
        known = events = 0
        for key, value, offset in records:
            name = taken.get(key)
            if name is None and (name := self._take(key, value, offset)) is None:
                continue
            assert key is not None
            try:
                envelope = decode(value)  # type: ignore[arg-type]  # no value is an error like any other
                if envelope.partitionkey != name:
                    raise Malformed(f"the record's key {key!r} is not the partition key {envelope.partitionkey!r}")
                position, event, version = envelope.position, envelope.data, envelope.sequence
                stream = envelope.subject.encode()
                if versions is not None:
                    if (found := noted.get(stream)) is not None:
                        known = found
                    elif (row := carried.get(stream)) is not None and row.version is not UNSET:
                        known = row.version
                    else:
                        known = versions.load(stream)
                    if version > known + 1:
                        raise VersionGap(envelope.subject, known + 1, version)
                    if version <= known and position <= floor:
                        self.changes.repeated += 1
                        continue
                staged.clear()
                carries = False
                plain, windowed = routes[type(event)]
                for table in plain:
                    row_key = stream if table.of_streams else table.key(envelope).encode()
                    row = table.seen.get(row_key) or table.load(row_key)
                    if position <= row.position:
                        self.changes.repeated += 1
                        continue
                    data = table.fold(row.data, event, envelope)
                    if data is not row.data:
                        owner = UNSET if row_key == key else name
                        if table is carrier:
                            carries = True
                            made = Row(position, data, row.epoch, owner, version)
                        else:
                            made = Row(position, data, row.epoch, owner)
                        staged.append((table, row_key, made))
                for windows in windowed:
                    windows.stage(envelope, staged)
                if doubted and key in doubted:
                    for _, row_key, row in staged:
                        written(row_key, row)
            except Damaged:
                raise  # the fault of no key
            except Exception as error:  # whatever a fold raises holds the key
                self._hold(key, value, offset, error)
                continue
            for table, row_key, row in staged:
                table.seen[row_key] = row
                table.changed[row_key] = key
            if versions is not None and version > known:
                if not carries:
                    noted[stream] = version
                elif stream in noted:
                    del noted[stream]
            last, floor = envelope, position
            events += 1
        self.changes.events = events
        if last is not None:
            self._mark(Control(position=last.position, time=last.time, watermark=last.watermark))

    def _take(self, key: bytes | None, value: bytes | None, offset: int) -> str | None:
        """The partition key of a record that is to be folded; None when there is nothing to fold, which is settled."""
        if key is None or key.startswith(_RESERVED) or key in self._held or key in self._stopped:
            self._aside(key, value, offset)
            return None
        error = self._refused.get(key)
        if error is None:
            try:
                name = self._taken[key] = key.decode()
                return name
            except UnicodeDecodeError:
                error = Malformed(f"the record's key {key!r} is no text")
        self._hold(key, value, offset, error)
        return None

    def close(self, windows: OpenWindows, offset: int) -> None:
        """Set the final mark on windows that the watermark has reached, and note which are open now.

        Then remove those that were kept long enough. So many at most: a chunk is one transaction. When a key is held
        in this run it must be all of them: which windows of the key were complete before can be told in this run alone.
        """
        changes, mark = self.changes, _later(windows.mark, self.changes.mark)
        for number, table in enumerate(self._tables):
            if isinstance(table, WindowRows):
                changes.late += table.late
                changes.repeated += table.repeated
                changes.opened += [(table.ends[row_key], Place(number, row_key)) for row_key in table.changed]
        if mark is None or mark.watermark is UNSET:
            return
        limit = _ALL if changes.held else MAX_CLOSED
        due = set(islice(windows.due(mark.watermark), limit + 1))
        due.update([ending for ending in changes.opened if ending[0] <= mark.watermark])
        endings = sorted(due) if len(due) > limit else list(due)
        changes.closed, left = endings[:limit], endings[limit:]
        for _, place in changes.closed:
            self._close(cast(WindowRows, self._tables[place.table]), place.row_key, offset)
        more = self._forget(windows, mark.watermark)
        closed = set(changes.closed)
        changes.opened = [ending for ending in changes.opened if ending not in closed]
        changes.behind = bool(left) or more
        if left:
            changes.mark = replace(mark, closed=left[0][0] - _MOMENT)
        elif mark.closed is not UNSET:
            changes.mark = replace(mark, closed=UNSET)

    def _forget(self, windows: OpenWindows, watermark: datetime) -> bool:
        """Note until when the windows that were closed are kept, and remove those for which that is over.

        Answers whether there are more of these than a run may remove.
        """
        changes = self.changes
        for end, place in changes.closed:
            table = cast(WindowRows, self._tables[place.table])
            until = table.kept_until(end)
            if until is not None and table.is_final(place.row_key):
                changes.kept.append((until, place))
        limit = _ALL if changes.held else MAX_CLOSED
        due = set(islice(windows.kept.due(watermark), limit + 1))
        due.update(kept for kept in changes.kept if kept[0] <= watermark)
        changes.forgotten = sorted(due)[:limit]
        for _, place in changes.forgotten:
            cast(WindowRows, self._tables[place.table]).forget(place.row_key)
        return len(due) > limit

    def _close(self, table: WindowRows, row_key: bytes, offset: int) -> None:
        row = table.open_row(row_key)
        if row is None:
            return
        assert row.partitionkey is not UNSET
        key, newly_held = row.partitionkey.encode(), self.changes.held
        if key in self._held:
            return
        if key in newly_held:
            # Up to where its windows are closed is said by the event that could not be folded, not by the run's end.
            held_at = self._held_at.get(key)
            if held_at is None or table.end_of(row_key) > held_at:
                return
        try:
            if key in self._refused:
                raise self._refused[key]
            table.close(row_key, row, key)
            self.changes.final += 1
        except Exception as error:  # whatever the row's type raises holds the key
            if key not in newly_held:
                letter = dataclasses.replace(dead_letter(key, None, offset, error), position=row.position)
                newly_held[key] = letter
                self.changes.dead_letters.append(letter)

    def _hold(self, key: bytes, value: bytes | None, offset: int, error: Exception) -> None:
        letter = dead_letter(key, value, offset, error)
        self.changes.held[key] = letter
        self._stop(key)
        self.changes.dead_letters.append(letter)
        watermark = self._mark_passed_over(value)
        if isinstance(watermark, datetime):
            self._held_at[key] = watermark

    def _stop(self, key: bytes) -> None:
        self._stopped.add(key)
        self._taken.pop(key, None)

    def _aside(self, key: bytes | None, value: bytes | None, offset: int) -> None:
        """A record that is no event to fold: a control record, one of a held key, or one that nobody can use."""
        if key is not None and not key.startswith(_RESERVED):
            self.changes.passed_over += 1
            self._mark_passed_over(value)
            return
        try:
            if key == WATERMARK_KEY:
                self._mark(_control_decoder.decode(value or b""))
            elif key == REFOLD_KEY:
                request = _refold_decoder.decode(value or b"")
                asked = request.key.encode()
                self.changes.requested[asked] = request.id
                self._stop(asked)
            elif key not in CONTROL_KEYS:
                raise Malformed("a record without a key" if key is None else f"unknown control record {key!r}")
        except Exception as error:  # kept as a dead letter
            self.changes.dead_letters.append(dead_letter(key, value, offset, error))

    def _mark_passed_over(self, value: bytes | None) -> datetime | UnsetType:
        """Mark how far a record of a held key says the partition is; answers its watermark."""
        # An envelope has all fields of a control record. One held key must not make the whole table look old.
        with suppress(Exception):
            control = _control_decoder.decode(value or b"")
            self._mark(control)
            return control.watermark
        return UNSET

    def _mark(self, control: Control) -> None:
        if self.changes.mark is None or control.position > self.changes.mark.position:
            self.changes.mark = control


def _later(one: Control | None, other: Control | None) -> Control | None:
    return other if one is None or (other is not None and other.position > one.position) else one
