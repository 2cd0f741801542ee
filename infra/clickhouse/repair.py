"""Repairs what a killed engine can leave: a deduplication record whose part never came to be.

The engine writes the record of an insert's token first and puts the part in place afterwards. Killed in between, the
retry of that insert would be taken for a repetition and dropped, and its rows lost. So before the directory is
opened, a last record that no part on disk covers is taken out (rule 17 of the sink's protocol).
Format of the log: lines `operation TAB part TAB block id`, operation 1 adds.
"""

import logging
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

_log = logging.getLogger(__name__)
_PART = re.compile(r"(?P<partition>.+)_(?P<low>\d+)_(?P<high>\d+)_\d+(?:_\d+)?")
_LOG = re.compile(r"deduplication_log_(\d+)\.txt")


class _Part(NamedTuple):
    partition: str
    low: int
    high: int

    def covers(self, other: "_Part") -> bool:
        return self.partition == other.partition and self.low <= other.low and other.high <= self.high


def repair(data: Path) -> list[str]:
    """Take the uncovered last record out of every table's log; answers the parts whose records were taken out."""
    removed = []
    for logs in sorted(data.glob("**/store/*/*/deduplication_logs")):
        if part := _repair_table(logs):
            removed.append(part)
            _log.warning("took out the deduplication record of part %s of %s: it was never written", part, logs.parent)
    return removed


def _repair_table(logs: Path) -> str | None:
    numbered = [(int(match[1]), file) for file in logs.iterdir() if (match := _LOG.fullmatch(file.name))]
    for _, file in sorted(numbered, reverse=True):
        lines = file.read_text().splitlines(keepends=True)
        if lines:
            return _repair_last(file, lines)
    return None


def _repair_last(file: Path, lines: list[str]) -> str | None:
    fields = lines[-1].rstrip("\n").split("\t")
    part = _part(fields[1]) if len(fields) == 3 else None
    whole = lines[-1].endswith("\n") and part is not None
    if whole and (fields[0] != "1" or any(p.covers(part) for p in _parts(file.parents[1]) if part)):
        return None
    fresh = file.with_suffix(".new")
    with fresh.open("w") as out:
        out.writelines(lines[:-1])
        out.flush()
        os.fsync(out.fileno())
    fresh.replace(file)
    return fields[1] if len(fields) > 1 else lines[-1]


def _parts(table: Path) -> Iterator[_Part]:
    for entry in table.iterdir():
        if entry.is_dir() and not entry.name.startswith("tmp") and (part := _part(entry.name)):
            yield part


def _part(name: str) -> _Part | None:
    match = _PART.fullmatch(name)
    return _Part(match["partition"], int(match["low"]), int(match["high"])) if match else None
