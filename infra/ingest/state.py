"""How far a file is ingested: kept in the data home, so that a run that was ended goes on there."""

import fcntl
import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec
from msgspec import Struct

from infra.stack.layout import write_private
from schemas import Fatal


class State(Struct):
    """Everything up to `line` is answered: that many were new, handled before, and refused.

    `proof` is the last line that was accepted (0: none), `rejected` the length of the file of rejects in bytes.
    """

    line: int = 0
    new: int = 0
    repeated: int = 0
    refused: int = 0
    proof: int = 0
    rejected: int = 0

    @property
    def answered(self) -> int:
        """How many lines have their answer."""
        return self.new + self.repeated + self.refused


def fingerprint(path: Path) -> str:
    """What identifies the content of a file, in 32 hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=16)).hexdigest()


class Journal:
    """The state of one file, by its content and the domain it goes to."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def read(self) -> State | None:
        """Where the last run was when it was ended; None when there is no such run."""
        try:
            return msgspec.json.decode(self._path.read_bytes(), type=State)
        except (FileNotFoundError, msgspec.DecodeError):
            return None

    def write(self, state: State) -> None:
        write_private(self._path, msgspec.json.encode(state).decode())

    def end(self) -> None:
        """The file is through."""
        self._path.unlink(missing_ok=True)


@contextmanager
def journal(home: Path, name: str) -> Iterator[Journal]:
    """The journal of that name, for one process at a time. Raises Fatal when another has it."""
    folder = home / "ingest"
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / f"{name}.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise Fatal("another process is ingesting this file; wait for it, or end it") from error
        yield Journal(folder / f"{name}.json")
