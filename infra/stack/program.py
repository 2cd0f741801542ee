"""What the supervisor runs: one program, one process, one log file."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from infra.stack.errors import StackError

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True, kw_only=True)
class Program:
    """A process to keep running: its command, what is added to the environment, and how it is asked to stop.

    `stop_seconds` is the time between the stop signal and SIGKILL. Programs of a lower `rank` stop last.
    Raises StackError for a name that cannot be a file name.
    """

    name: str
    command: Sequence[str]
    environment: Mapping[str, str] = field(default_factory=dict)
    directory: Path = ROOT
    stop_signal: str = "TERM"
    stop_seconds: int = 30
    rank: int = 100

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[a-z][a-z0-9_.-]*", self.name):
            raise StackError(f"a program's name must be of a-z, 0-9 and _.-, not {self.name!r}")
