"""A partition's tables in RocksDB, for more rows than memory holds.

What is written was committed before, together with the changelog offsets up to which it is complete, in one write
batch. There is no write-ahead log: after a crash RocksDB is an earlier state of itself, and what it misses stands
in the changelogs from those offsets on. So it may lag behind, never lead, and a start reads the difference.
"""

import logging
import shutil
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import cast

import msgspec
from confluent_kafka import OFFSET_BEGINNING
from rocksdict import (
    BlockBasedOptions,
    Cache,
    DBCompressionType,
    Options,
    Rdict,
    ReadOptions,
    WriteBatch,
    WriteBufferManager,
    WriteOptions,
)

from schemas import Control, Fatal, HeadraceError, Unavailable, reach
from streams.checkpoint import Checkpoint, End
from streams.store import Changed, Changelog, Damaged

_log = logging.getLogger(__name__)

_CHECKPOINT = b"\xff"  # sorts behind the rows, whose keys begin with the number of their table
_SHARED_CACHE_BYTES = 128_000_000
_SHARED_BUFFER_BYTES = 128_000_000
_BUFFER_BYTES = 32_000_000


class Memory:
    """What all stores of a process share: the block cache and the budget of the write buffers."""

    def __init__(self) -> None:
        self._cache = Cache(_SHARED_CACHE_BYTES)
        self._buffers = WriteBufferManager(_SHARED_BUFFER_BYTES, False)

    def options(self) -> Options:
        """Options of one database."""
        blocks = BlockBasedOptions()
        blocks.set_block_cache(self._cache)
        blocks.set_bloom_filter(10, False)
        blocks.set_cache_index_and_filter_blocks(True)
        options = Options(raw_mode=True)
        options.create_if_missing(True)
        options.set_block_based_table_factory(blocks)
        options.set_write_buffer_manager(self._buffers)
        options.set_write_buffer_size(_BUFFER_BYTES)
        options.set_compression_type(DBCompressionType.lz4())
        options.set_keep_log_file_num(2)
        options.set_max_open_files(256)
        return options


class RocksTable(Mapping[bytes, bytes]):
    """One table: the rows in RocksDB, and over them what the chunk under way has changed."""

    def __init__(self, store: "RocksStore", number: int) -> None:
        self._store, self._prefix = store, bytes([number])
        self.changed: Changed = {}
        self.start = OFFSET_BEGINNING
        self.mark: Control | None = None

    def get(self, key: bytes, default: bytes | None = None) -> bytes | None:  # type: ignore[override]  # no other default
        """The row of a key. Raises Damaged."""
        changed = self.changed  # a commit's thread sets it anew
        value = changed[key] if key in changed else self._store.read(self._prefix + key)
        return default if value is None else value

    def __getitem__(self, key: bytes) -> bytes:
        value = self.get(key)
        if value is None:
            raise KeyError(key)
        return value

    def __contains__(self, key: object) -> bool:
        return isinstance(key, bytes) and self.get(key) is not None

    def __iter__(self) -> Iterator[bytes]:
        changed = self.changed
        yield from (key for key, value in changed.items() if value is not None)
        yield from (key for key in self._store.keys(self._prefix) if key not in changed)

    def __len__(self) -> int:
        """Number of rows; reads all keys."""
        return sum(1 for _ in self)

    def load(self, rows: Iterable[tuple[bytes, bytes | None]]) -> None:
        """Take over records, in their order; those without a value remove their key."""
        batch = WriteBatch(raw_mode=True)
        self.add(batch, rows)
        self._store.write(batch)
        reach("store.loading")

    def loaded(self, mark: Control | None, end: int) -> None:
        """The table is complete up to, without, offset `end` of its changelog."""
        self.mark, self.start = mark, end

    def add(self, batch: WriteBatch, rows: Iterable[tuple[bytes, bytes | None]]) -> None:
        """Add changed rows to a write batch."""
        prefix, put, delete = self._prefix, batch.put, batch.delete
        for key, value in rows:
            if value is None:
                delete(prefix + key)
            else:
                put(prefix + key, value)


class RocksStore:
    """The tables of one partition, one for each of the changelog `topics`, in a directory below `directory`.

    Files that are damaged, locked, too old, of another format or of other changelogs are replaced, with a sentence
    in the log: nothing stands in them alone. Methods raise Damaged when RocksDB fails later.
    """

    def __init__(self, directory: Path, topics: Sequence[str], memory: Memory) -> None:
        self._directory, self._topics, self._memory = directory, tuple(topics), memory
        self._quick = WriteOptions()
        self._quick.disable_wal = True  # type: ignore[method-assign,assignment]  # a property, whatever its types say
        self._changelogs: Sequence[Changelog] = ()
        self._files = directory
        self._db: Rdict | None = None
        self.rows = self.tables = tuple(RocksTable(self, number) for number in range(len(topics)))

    def open(self, changelogs: Callable[[], Sequence[Changelog]]) -> None:
        """Begin: with the kept files, as far as they belong to these changelogs."""
        self._changelogs = changelogs()
        self._directory.mkdir(parents=True, exist_ok=True)
        kept = list(self._directory.iterdir())
        reason = self._resume(kept[0]) if kept else None
        if self._db is None:
            if reason:
                _log.warning("the store %s is replaced from the changelog: %s", self._directory, reason)
            self._begin_anew(kept)

    def _resume(self, files: Path) -> str | None:
        """Open what is there; why not, when it cannot be used."""
        self._files = files
        try:
            if self._spoilt.exists():
                raise ValueError(f"it was found damaged ({self._spoilt.read_text()})")
            self._db = Rdict(str(files), self._memory.options())
            kept = self._db.get(_CHECKPOINT)
            if kept is None:
                raise ValueError("it was not loaded to the end")
            ends = msgspec.json.decode(kept, type=Checkpoint).usable(self._topics, self._changelogs)
        except Exception as error:  # RocksDB has no narrower one
            self.close()
            return str(error)
        for table, end in zip(self.tables, ends, strict=True):
            table.start, table.mark = end.offset, end.mark
        return None

    def _begin_anew(self, old: Iterable[Path]) -> None:
        for path in old:
            shutil.rmtree(path, ignore_errors=True)
        # Under a name of its own: whoever still has the old files open cannot write into the new ones.
        self._files = self._directory / uuid.uuid4().hex
        for table in self.tables:
            table.start, table.mark = OFFSET_BEGINNING, None
        try:
            self._db = Rdict(str(self._files), self._memory.options())
        except Exception as error:
            raise Fatal(f"no store can be made in {self._directory}: {error}") from error

    @property
    def _spoilt(self) -> Path:
        return self._files / "damaged"

    def ready(self) -> None:
        """All tables are loaded: from now on the files are worth keeping."""
        batch = WriteBatch(raw_mode=True)
        self._add_checkpoint(batch)
        self.write(batch)
        try:
            self._open().flush()  # or a crash soon after would cost the whole load
        except Exception as error:
            raise self._failed(error) from error

    def apply(self, changed: Sequence[Changed]) -> None:
        """Show what a chunk has changed."""
        for table, rows in zip(self.tables, changed, strict=True):
            table.changed = rows

    def settle(self, ends: Sequence[int | None], mark: Control | None) -> None:
        """Write the chunk that was applied, with the offsets up to which the changelogs are in the files."""
        batch = WriteBatch(raw_mode=True)
        for table, end in zip(self.tables, ends, strict=True):
            table.add(batch, table.changed.items())
            if end is not None:
                table.loaded(mark, end)
        self._add_checkpoint(batch)
        self.write(batch)
        reach("store.settled")
        for table in self.tables:  # after the write: another thread may be reading
            table.changed = {}

    def _add_checkpoint(self, batch: WriteBatch) -> None:
        ends = [
            End(topic=topic, topic_id=log.topic_id, first=log.first, offset=table.start, mark=table.mark)
            for topic, log, table in zip(self._topics, self._changelogs, self.tables, strict=True)
        ]
        batch.put(_CHECKPOINT, Checkpoint.now(ends).encode())

    def read(self, key: bytes) -> bytes | None:
        """What stands under a key with its prefix."""
        try:
            value: bytes | None = self._open().get(key)
        except Exception as error:
            raise self._failed(error) from error
        return value

    def keys(self, prefix: bytes) -> Iterator[bytes]:
        """Keys of a table, as of now, without their prefix."""
        until = ReadOptions()
        until.set_iterate_upper_bound(bytes([prefix[0] + 1]))
        try:
            at = self._open().iter(until)
            at.seek(prefix)
            while at.valid():
                yield cast(bytes, at.key())[1:]
                at.next()
            at.status()  # a damaged block ends it like the last row
        except Exception as error:
            raise self._failed(error) from error

    def write(self, batch: WriteBatch) -> None:
        """Write a batch as a whole."""
        try:
            self._open().write(batch, self._quick)
        except Exception as error:
            raise self._failed(error) from error

    def _open(self) -> Rdict:
        if self._db is None:
            raise Unavailable("this worker has given the partition back: its rows are at another one")
        return self._db

    def _failed(self, error: Exception) -> HeadraceError:
        if isinstance(error, Unavailable):
            return error
        with suppress(OSError):
            self._spoilt.write_text(str(error))
        return Damaged(
            f"the store {self._directory} failed: {error}; it is replaced from the changelog when the worker is "
            "started again"
        )

    def close(self) -> None:
        """Write what is still in memory and close the files."""
        db, self._db = self._db, None
        if db is not None:
            with suppress(Exception):  # what could not be written is in the changelog
                db.close()
