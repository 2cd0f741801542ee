"""Checkpoints in a file: one line of JSON each, only ever added to."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from producers.proof.checkpoints import Checkpoint, line, parse
from schemas import Domain, Fatal


class CheckpointFile:
    """See `Export`. Raises Fatal when the file cannot be written."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def last(self, domain: Domain) -> Checkpoint | None:
        found = None
        if self._path.exists():
            for checkpoint in read(self._path):
                found = checkpoint if checkpoint.domain == domain.key else found
        return found

    def add(self, _domain: Domain, checkpoint: Checkpoint) -> None:
        try:
            with self._path.open("a+b") as file:
                file.write((b"\n" if _is_cut(file) else b"") + line(checkpoint))
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise Fatal(f"cannot write checkpoints to {self._path}: {error.strerror}") from error


def _is_cut(file: BinaryIO) -> bool:
    """Whether the file's last line has no end."""
    size = file.seek(0, os.SEEK_END)
    file.seek(max(size - 1, 0))
    return size > 0 and file.read(1) != b"\n"


def read(path: Path) -> Iterator[Checkpoint]:
    """The checkpoints in a file. Raises Invalid with the line's number, Fatal when it cannot be read.

    What is left of a write that was cut off, a line without its end, is passed over.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise Fatal(f"cannot read checkpoints from {path}: {error.strerror}") from error
    for number, text in enumerate(content.split(b"\n"), 1):
        if text.endswith(b"}"):
            yield parse(text, f"{path}, line {number},")
