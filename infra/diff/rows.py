"""Folds a history with the code of this tree and writes the rows to files: run as `python -m infra.diff.rows`.

What it reads and writes is a contract between versions: a newer one runs it in the tree of an older one.
"""

import os
import sys
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq
from msgspec import Struct

from infra.history import Recorded, recorded
from infra.stack import Addresses
from schemas import HeadraceError, discover, encode
from streams.replay import Progress, Replayed, Task, replay

HELD = "~held"
_ROWS = 50_000
_SCHEMA = pa.schema([("key", pa.binary()), ("value", pa.binary())])


class Order(Struct, frozen=True, kw_only=True):
    """What to fold, given as JSON on standard input.

    Up to `position`, from the archive alone where no servers are given; files go to the directory `out`.
    """

    domain: str
    namespace: str
    position: int
    out: str
    archive: str = ""
    kafka: str = ""
    postgres: str = ""


class Folded(Struct, frozen=True, kw_only=True):
    """What was folded: printed as JSON, one line, at the end. While it works, lines with a number say how many records
    were read."""

    projection: int
    partitions: int
    events: int
    aggregates: list[str]


class Failed(Struct, frozen=True, kw_only=True):
    """Why it was not, printed instead."""

    error: str


def fold(order: Order) -> Folded:
    """Fold the newest projection of a domain and write `<aggregate>.<partition>.parquet`, sorted by key.

    `~held` has the keys that are held, and why. Raises what a source raises.
    """
    domain = discover(order.namespace)[order.domain]
    history = recorded(domain, Addresses(kafka=order.kafka, postgres=order.postgres), order.archive)
    finish = partial(write, Path(order.out))
    task = history.task(order.position, finish) if order.postgres else _archived(history, order.position, finish)
    # The other version folds at the same time.
    processes = max((os.cpu_count() or 1) // 2, 1)
    counts = replay(task, range(domain.partitions), processes=processes, show=_show)
    return Folded(
        projection=domain.projection,
        partitions=domain.partitions,
        events=sum(counts),
        aggregates=[aggregate.name for aggregate in domain.aggregates],
    )


def write(out: Path, found: Replayed) -> int:
    """Write the rows of a partition; answers how many events were folded."""
    for name, rows in found.tables.items():
        _write(out / f"{name}.{found.partition}.parquet", rows)
    held = {key: encode({"data": {"held": letter.error}}) for key, letter in found.held.items()}
    _write(out / f"{HELD}.{found.partition}.parquet", held)
    return found.events


def read(out: Path, name: str, partition: int) -> Iterator[tuple[bytes, bytes]]:
    """The rows of a partition that were written, sorted by key."""
    with pq.ParquetFile(out / f"{name}.{partition}.parquet") as file:
        for batch in file.iter_batches(_ROWS):
            yield from zip(*(column.to_pylist() for column in batch.columns), strict=True)


def _write(path: Path, rows: Mapping[bytes, bytes]) -> None:
    with pq.ParquetWriter(path, _SCHEMA, compression="zstd") as writer:
        keys = sorted(rows)
        for start in range(0, len(keys), _ROWS):
            part = keys[start : start + _ROWS]
            writer.write_table(pa.table({"key": part, "value": [rows[key] for key in part]}, schema=_SCHEMA))


def _archived(history: Recorded, position: int, finish: "partial[int]") -> Task[int]:
    return Task(
        folder=history.folder, source=history.archived, mark=history.archived().mark(position), finish=finish, skips={}
    )


def _show(progress: Progress) -> None:
    print(progress.records, flush=True)


def main() -> None:
    """Do what standard input says."""
    order = msgspec.json.decode(sys.stdin.buffer.read(), type=Order)
    try:
        answer: Struct = fold(order)
    except HeadraceError as error:
        answer = Failed(error=error.detail)
    print(encode(answer).decode(), flush=True)


if __name__ == "__main__":
    main()
