"""Named crash points: part of the contract between the processes and the tests that kill them.

A process that was started with a crash point kills itself with SIGKILL the n-th time it reaches it, after
writing a line to standard error, so that the test can see that the point was reached. Unarmed, reaching a
point costs one comparison.
"""

import os
import signal
import sys

_armed: tuple[str, int] | None = None


def arm(point: str) -> None:
    """Arm `NAME` or `NAME:N` (the N-th time it is reached, from 1)."""
    global _armed
    name, _, count = point.partition(":")
    _armed = (name, int(count or 1))


def reach(name: str) -> None:
    """Declare that the point `name` is reached; does not return when it is the armed one and its turn."""
    global _armed
    if _armed is None or _armed[0] != name:
        return
    if _armed[1] > 1:
        _armed = (name, _armed[1] - 1)
        return
    print(f"crash point {name} reached", file=sys.stderr, flush=True)
    os.kill(os.getpid(), signal.SIGKILL)
