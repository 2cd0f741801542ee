"""Where things are below the data home of a stack, and the lock that lets one change it at a time."""

import fcntl
import hashlib
import json
import os
import re
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from infra.stack.errors import StackError

# sun_path holds 108 bytes with the closing NUL; supervisord binds `<path>.<pid>` first.
_SOCKET_BYTES = 95


@dataclass(frozen=True)
class Layout:
    """The paths of one stack. `at` makes the directories."""

    home: Path

    @classmethod
    def at(cls, home: Path) -> "Layout":
        """The layout below `home`, made when missing. Raises StackError when that cannot be."""
        layout = cls(home.resolve())
        if re.search(r"[%\[\]*?;\n]", str(layout.home)):
            raise StackError(f"the data home {layout.home} must not have any of % [ ] * ? ; in its path")
        try:
            for path in (layout.home, layout.data, layout.log, layout.run, layout.programs):
                path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StackError(f"cannot make the data home {layout.home}: {error.strerror}; set HEADRACE_HOME") from error
        if not all(os.access(path, os.W_OK) for path in (layout.home, layout.data, layout.log, layout.run)):
            raise StackError(f"the data home {layout.home} belongs to another user; set HEADRACE_HOME to one of yours")
        return layout

    @property
    def data(self) -> Path:
        return self.home / "data"

    @property
    def log(self) -> Path:
        return self.home / "log"

    @property
    def run(self) -> Path:
        return self.home / "run"

    @property
    def programs(self) -> Path:
        return self.run / "programs"

    @property
    def socket(self) -> Path:
        """The supervisor's socket: below the home, or in /tmp when that path is too long for a socket."""
        near = self.run / "supervisor.sock"
        if len(os.fsencode(near)) <= _SOCKET_BYTES:
            return near
        digest = hashlib.sha256(os.fsencode(self.home)).hexdigest()[:16]
        return Path("/tmp") / f"headrace-{os.geteuid()}-{digest}" / "supervisor.sock"

    def log_of(self, name: str) -> Path:
        """The log file of a program."""
        return self.log / f"{name}.log"

    def password(self, name: str) -> str:
        """The password of a server's user: made at the first call, the same ever after."""
        path = self.home / "passwords.json"
        known: dict[str, str] = json.loads(path.read_text()) if path.exists() else {}
        if name not in known:
            known[name] = secrets.token_urlsafe(18)
            write_private(path, known)
        return known[name]

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Hold the stack's lock; waits while another process starts or stops the stack."""
        with (self.run / "lock").open("w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield


def write_private(path: Path, content: Any) -> None:
    """Write JSON (or a string as it is) to a file of mode 0600, whole or not at all."""
    fresh = path.with_name(path.name + ".new")
    fresh.unlink(missing_ok=True)
    text = content if isinstance(content, str) else json.dumps(content, indent=2) + "\n"
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)
