"""Who a server runs as. PostgreSQL refuses root, so root hands it to another account."""

import os
import pwd
import shutil
from pathlib import Path

from infra.stack.errors import StackError

_ACCOUNT = "nobody"
# Others may pass a directory, and read and run a file.
_PASS, _USE = 0o001, 0o005


def owner_of(directory: Path) -> int:
    """User id that is to own a server's data: ours, or as root the present owner's, else that of `nobody`."""
    if os.geteuid() != 0:
        return os.geteuid()
    if directory.exists() and directory.stat().st_uid != 0:
        return directory.stat().st_uid
    try:
        return pwd.getpwnam(_ACCOUNT).pw_uid
    except KeyError as error:
        raise StackError(f"as root there must be an account {_ACCOUNT!r}; start as an ordinary user") from error


def run_as(user: int, *needed: Path) -> list[str]:
    """The words before a command that make it run as `user`; none when we are that user.

    Where others may not pass to a `needed` path (a project below /root), the process keeps root's right
    to pass, rather than opening directories to everybody. Raises StackError without `setpriv`.
    """
    if user == os.geteuid():
        return []
    setpriv = shutil.which("setpriv")
    if setpriv is None:
        raise StackError("as root `setpriv` of util-linux is needed to start PostgreSQL; or start as an ordinary user")
    group = pwd.getpwuid(user).pw_gid
    words = [setpriv, f"--reuid={user}", f"--regid={group}", "--clear-groups", "--no-new-privs"]
    if not all(_open_to_others(path) for path in needed):
        words += ["--inh-caps=+dac_override", "--ambient-caps=+dac_override"]
    return words


def _open_to_others(path: Path) -> bool:
    passable = all(parent.stat().st_mode & _PASS for parent in path.resolve().parents)
    return passable and (path.is_dir() or path.stat().st_mode & _USE == _USE)
