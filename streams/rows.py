"""The rows of one table while a run of records is folded over them."""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

import msgspec
from msgspec import UNSET
from msgspec.structs import replace

from schemas import Envelope, Malformed, Row, TooLarge, encode
from streams.fold import Fold, by_stream
from streams.windows import Window, Windows

MAX_ROW_BYTES = 900_000  # below the megabyte that brokers take by default, with room for key and headers
_ABSENT: Row[Any] = Row(position=0, data=None)


class Rows:
    """One table during a run: the rows seen (as they are after the run so far) and those changed."""

    __slots__ = ("changed", "decode", "encoded", "fold", "key", "of_streams", "seen", "stored")

    def __init__(self, fold: Fold, decode: Callable[[bytes], Row[Any]], stored: Mapping[bytes, bytes]) -> None:
        self.key, self.fold, self.decode, self.stored = fold.key, fold.fold, decode, stored
        self.of_streams = fold.key is by_stream
        self.seen: dict[bytes, Row[Any]] = {}
        self.changed: dict[bytes, bytes] = {}  # row key to the partition key that it belongs to
        self.encoded: dict[bytes, bytes | None] = {}

    def load(self, row_key: bytes) -> Row[Any]:
        """The row as it was before the run. Raises Malformed when it cannot be read."""
        stored = self.stored.get(row_key)
        try:
            row = self.seen[row_key] = _ABSENT if stored is None else self.decode(stored)
        except msgspec.MsgspecError as error:
            raise Malformed(
                f"the stored row {row_key!r} cannot be read ({error}): something else wrote to its topic, or its type "
                "has changed within a projection version; redrive the key to fold it again"
            ) from error
        return row

    def encode(self) -> dict[bytes, Exception]:
        """Encode the changed rows; answers with the partition keys of those that cannot be written."""
        refused: dict[bytes, Exception] = {}
        for row_key, partition_key in self.changed.items():
            row = self.seen[row_key]
            try:
                self.encoded[row_key] = written(row_key, row)
            except Exception as error:  # a fold may put anything into a row
                refused[partition_key] = error
        return refused


def written(row_key: bytes, row: Row[Any]) -> bytes | None:
    """The row as it is written; None removes it. Raises TooLarge, or any error of an encoder, when it cannot be."""
    value = None if row.data is None else encode(row)
    if value is not None and len(value) > MAX_ROW_BYTES:
        raise TooLarge(f"row {row_key!r} has {len(value):,} bytes, more than {MAX_ROW_BYTES:,}")
    return value


Staged = list[tuple[Rows, bytes, Row[Any]]]


class WindowRows(Rows):
    """One table of windows during a run. `ends` are the ends of the windows that events of the run fell into."""

    __slots__ = ("_counts_late", "_time", "_windows", "ends", "late", "repeated")

    def __init__(
        self,
        fold: Fold,
        decode: Callable[[bytes], Row[Any]],
        stored: Mapping[bytes, bytes],
        windows: Windows,
        event_time: Callable[[Any], datetime],
        counts_late: bool,
    ) -> None:
        super().__init__(fold, decode, stored)
        self._windows, self._time, self._counts_late = windows, event_time, counts_late
        self.ends: dict[bytes, datetime] = {}
        self.late = self.repeated = 0

    def stage(self, envelope: Envelope[Any], staged: Staged) -> None:
        """Stage what an event changes in the windows that it falls into; whatever the fold raises goes through."""
        key, watermark = self.key(envelope).encode(), envelope.watermark
        for window in self._windows.of(self._time(envelope.data)):
            row_key = key + window.suffix
            row = self.seen.get(row_key) or self.load(row_key)
            if envelope.position <= row.position:
                self.repeated += 1
            elif watermark is not UNSET and watermark >= window.end:
                self.late += 1
                # Whether a row is there is not asked once it may be gone: that depends on where a run ends.
                kept = self._windows.keep is None or watermark < window.end + self._windows.keep
                if self._counts_late and kept and row.data is not None:
                    self._stage(staged, row_key, window, envelope, row, replace(row.data, late=row.data.late + 1))
            else:
                value = self.fold(row.data, envelope.data, envelope, window)
                if value is not row.data:
                    self._stage(staged, row_key, window, envelope, row, value)

    def _stage(
        self, staged: Staged, row_key: bytes, window: Window, envelope: Envelope[Any], row: Row[Any], value: Any
    ) -> None:
        self.ends[row_key] = window.end
        made = Row(position=envelope.position, data=value, epoch=row.epoch, partitionkey=envelope.partitionkey)
        staged.append((self, row_key, made))

    def end_of(self, row_key: bytes) -> datetime:
        """The end of a row's window."""
        return self.ends.get(row_key) or self._windows.end_of(row_key)

    def open_row(self, row_key: bytes) -> Row[Any] | None:
        """A row that has no final mark yet, None when it has one or is not there."""
        row = self.seen.get(row_key) or self.load(row_key)
        return None if row.data is None or row.data.final else row

    def kept_until(self, end: datetime) -> datetime | None:
        """The instant at which a window that ends then is removed, None if it never is."""
        return None if self._windows.keep is None else end + self._windows.keep

    def is_final(self, row_key: bytes) -> bool:
        """Whether there is a row with its final mark. Raises Malformed when it cannot be read."""
        row = self.seen.get(row_key) or self.load(row_key)
        return row.data is not None and row.data.final

    def forget(self, row_key: bytes) -> None:
        """Remove a row that has its final mark. Raises Malformed when it cannot be read."""
        if self.is_final(row_key):
            row = self.seen[row_key]
            assert row.partitionkey is not UNSET
            self.changed[row_key] = row.partitionkey.encode()
            self.seen[row_key] = replace(row, data=None)

    def close(self, row_key: bytes, row: Row[Any], partition_key: bytes) -> None:
        """Set the final mark. Raises what the row's type raises."""
        self.seen[row_key] = replace(row, data=replace(row.data, final=True))
        self.changed[row_key] = partition_key
