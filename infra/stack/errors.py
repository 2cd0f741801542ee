"""The one error of the embedded stack."""

from pathlib import Path

from schemas import Unavailable


class StackError(Unavailable):
    """A server or program of the local stack does not run or answer. The detail says why and what to do."""


def tail(path: Path, lines: int = 15) -> str:
    """The last lines of a log file, indented for an error message; says so when there are none."""
    text = path.read_text(errors="replace").splitlines()[-lines:] if path.exists() else []
    return "\n".join(f"    {line}" for line in text) or "    (the log is empty)"
