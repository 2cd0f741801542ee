"""Repairs what a killed engine can leave: a deduplication record whose part never came to be.

The engine writes the record of an insert's token first and puts the part in place afterwards. Killed in between, the
retry of that insert would be taken for a repetition and dropped, and its rows lost. So before the directory is
opened, the last records that no part on disk covers are taken out (rule 17 of the sink's protocol): from the end
back to the first that is covered. Format of the log: lines `operation TAB part TAB block id`, operation 1 adds.
"""

import logging
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

_log = logging.getLogger(__name__)
_PART = re.compile(r"(?P<partition>[^_]+)_(?P<low>\d+)_(?P<high>\d+)_\d+(?:_\d+)?")
_LOG = re.compile(r"deduplication_log_(\d+)\.txt")


class _Part(NamedTuple):
    partition: str
    low: int
    high: int

    def covers(self, other: "_Part") -> bool:
        return self.partition == other.partition and self.low <= other.low and other.high <= self.high


def repair(data: Path) -> list[str]:
    """Take the uncovered last records out of every table's log; answers the parts whose records were taken out."""
    removed = []
    for logs in sorted(data.glob("**/store/*/*/deduplication_logs")):
        for part in _repair_table(logs):
            removed.append(part)
            _log.warning("took out the deduplication record of part %s of %s: it was never written", part, logs.parent)
    return removed


def _repair_table(logs: Path) -> Iterator[str]:
    parts = list(_parts(logs.parent))
    numbered = [(int(match[1]), file) for file in logs.iterdir() if (match := _LOG.fullmatch(file.name))]
    for _, file in sorted(numbered, reverse=True):
        lines = file.read_bytes().splitlines(keepends=True)
        kept = len(lines)
        while kept and not _stands(lines[kept - 1], parts):
            kept -= 1
        if kept < len(lines):
            _write(file, lines[:kept])
            yield from (_name(line) for line in reversed(lines[kept:]))
        if kept:
            return


def _stands(line: bytes, parts: list[_Part]) -> bool:
    """Whether a record is whole and removes something or has its part on disk."""
    part = _part(_name(line))
    if part is None or not line.endswith(b"\n") or line.count(b"\t") != 2:
        return False
    return not line.startswith(b"1\t") or any(other.covers(part) for other in parts)


def _name(line: bytes) -> str:
    """Name of the part in a record, or the whole of a torn one."""
    fields = line.decode(errors="replace").split("\t")
    return fields[1] if len(fields) > 1 else fields[0]


def _write(file: Path, lines: list[bytes]) -> None:
    fresh = file.with_suffix(".new")
    with fresh.open("wb") as out:
        out.writelines(lines)
        out.flush()
        os.fsync(out.fileno())
    fresh.replace(file)


def _parts(table: Path) -> Iterator[_Part]:
    for entry in table.iterdir():
        if entry.is_dir() and not entry.name.startswith("tmp") and (part := _part(entry.name)):
            yield part


def _part(name: str) -> _Part | None:
    match = _PART.fullmatch(name)
    return _Part(match["partition"], int(match["low"]), int(match["high"])) if match else None
