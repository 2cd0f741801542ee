"""The log files of a stack: their last lines, and what is added to them."""

import os
import time
from collections.abc import Generator
from pathlib import Path
from typing import TextIO

from infra.stack.errors import StackError
from infra.stack.layout import Layout

_TAIL_BYTES = 1 << 20


def log_files(home: Path, name: str = "") -> dict[str, Path]:
    """The log files by the name of their program; only that of `name` when given. Raises StackError."""
    files = {path.stem: path for path in sorted(Layout(home.resolve()).log.glob("*.log"))}
    if not name:
        return files
    if name not in files:
        raise StackError(f"there is no log of {name!r}; there are {', '.join(files) or 'none yet'}")
    return {name: files[name]}


def last_lines(path: Path, count: int) -> list[str]:
    """The last `count` lines of a log, found in its last MiB."""
    with path.open("rb") as file:
        size = file.seek(0, 2)
        file.seek(max(0, size - _TAIL_BYTES))
        return file.read().decode(errors="replace").splitlines()[-count:] if count else []


def follow(files: dict[str, Path]) -> Generator[tuple[str, str], None, None]:
    """Lines that are added from now on, each with its program's name; goes on over a rotation, without end."""
    open_files = {name: path.open(errors="replace") for name, path in files.items()}
    pending = dict.fromkeys(files, "")
    for file in open_files.values():
        file.seek(0, 2)
    try:
        while True:
            quiet = True
            for name, path in files.items():
                for line in open_files[name]:
                    quiet = False
                    pending[name] += line
                    if line.endswith("\n"):
                        yield name, pending[name].rstrip("\n")
                        pending[name] = ""
                if _rotated(open_files[name], path):
                    open_files[name].close()
                    open_files[name] = path.open(errors="replace")
            if quiet:
                time.sleep(0.2)
    finally:
        for file in open_files.values():
            file.close()


def _rotated(file: TextIO, path: Path) -> bool:
    return path.exists() and path.stat().st_ino != os.fstat(file.fileno()).st_ino
