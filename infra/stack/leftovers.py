"""Finds and ends what still runs of a stack, whoever started it and whatever became of the supervisor.

Every process of a stack carries a mark in its environment, which its children inherit.
"""

import contextlib
import signal
from pathlib import Path

import psutil

_MARK = "RUNS_FOR_HEADRACE"


def mark(home: Path, stop_signal: str = "TERM") -> tuple[str, str]:
    """Name and value of the environment variable that marks a process of the stack at `home`."""
    return _MARK, f"{stop_signal} {home}"


def find(home: Path) -> dict[psutil.Process, signal.Signals]:
    """The running processes of the stack at `home`, each with the signal that asks it to stop.

    Leaves out the calling process and its ancestors.
    """
    me = psutil.Process()
    own = {me, *me.parents()}
    found = {}
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):
            stop_signal, at = _mark_of(process, home)
            if at == str(home) and process not in own and process.status() != psutil.STATUS_ZOMBIE:
                found[process] = signal.Signals[f"SIG{stop_signal}"]
    return found


def _mark_of(process: psutil.Process, home: Path) -> tuple[str, str]:
    try:
        stop_signal, _, at = process.environ().get(_MARK, "").partition(" ")
    except psutil.AccessDenied:
        # Root in a container may not read the environment of a server that it runs as another user.
        return ("INT", str(home)) if str(home / "data" / "postgres") in process.cmdline() else ("", "")
    return stop_signal, at


def end(home: Path, seconds: float = 20.0) -> int:
    """End all processes of the stack at `home`: asked first, killed after `seconds`. Returns how many there were."""
    first = find(home)
    # The supervisor's mark says KILL: while it lived it would start again what is ended here.
    supervisors = [process for process, stop_signal in first.items() if stop_signal == signal.SIGKILL]
    _send(supervisors, first)
    psutil.wait_procs(supervisors, timeout=5)
    asked = find(home)
    _send(_roots(asked), asked)
    psutil.wait_procs(list(asked), timeout=seconds)
    # Again, since a process may have started another before it ended.
    for process in find(home):
        with contextlib.suppress(psutil.Error):
            process.kill()
    psutil.wait_procs(list(find(home)), timeout=5)
    return len(first)


def _roots(found: dict[psutil.Process, signal.Signals]) -> list[psutil.Process]:
    roots = []
    for process in found:
        with contextlib.suppress(psutil.Error):
            if process.parent() not in found:
                roots.append(process)
    return roots


def _send(processes: list[psutil.Process], signals: dict[psutil.Process, signal.Signals]) -> None:
    for process in processes:
        with contextlib.suppress(psutil.Error):
            process.send_signal(signals[process])
