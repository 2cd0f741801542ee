"""What a worker says of its health, and the files in which it says it.

Each worker writes one small file a second into its data directory. Whoever asks reads the files, and asks nothing of
a process that may be hung: a file that has grown old says that.
"""

import os
import time
from contextlib import suppress
from pathlib import Path
from typing import Literal

import msgspec
from msgspec import Struct

State = Literal["waiting", "joining", "loading", "running", "standby", "stuck"]
# A file older than this is of a worker that no longer writes: it is stopped, hung as a whole, or gone.
SILENT_SECONDS = 10.0
_DIRECTORY = "health"


class PartitionHealth(Struct, frozen=True, kw_only=True):
    """One assigned partition of the events topic.

    `offset` is the next one to fold, `end` where the topic ends now (-1: the broker has not said), `lag` the offsets
    between them that hold anything; `position` is complete in the tables (0: nothing folded since the start), `held`
    counts held keys, `still` is for how many seconds the offset has not moved although there was more to read.
    """

    topic: str
    partition: int
    offset: int
    end: int
    lag: int
    position: int
    held: int
    still: float = 0.0


class Health(Struct, frozen=True, kw_only=True):
    """A worker at the time `at` (seconds since 1970).

    `waiting` for Kafka or its topics, `joining` its group, `loading` its tables (`loaded` records so far), `running`,
    on `standby` (no partition is left for it) or `stuck`, for the `reason`. `rate` is in events a second, `late`
    counts the windows that events came too late for since the start.
    """

    domain: str
    projection: int
    pid: int
    at: float
    state: State
    reason: str = ""
    rate: float = 0.0
    loaded: int = 0
    late: int = 0
    partitions: tuple[PartitionHealth, ...] = ()

    @property
    def live(self) -> bool:
        """Whether the process gets on; one that does not should be killed."""
        return self.state != "stuck" and time.time() - self.at < SILENT_SECONDS

    @property
    def ready(self) -> bool:
        """Whether its tables are loaded and the broker answers."""
        return self.live and self.state in ("running", "standby") and not self.reason

    @property
    def lag(self) -> int:
        return sum(partition.lag for partition in self.partitions)

    @property
    def held(self) -> int:
        return sum(partition.held for partition in self.partitions)


def path_of(data: Path, app: str, instance: str) -> Path:
    """The health file of a worker."""
    return data / _DIRECTORY / f"{app}.{instance}.json"


def write(path: Path, health: Health) -> None:
    """Replace the file, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_suffix(f".{os.getpid()}")
    fresh.write_bytes(msgspec.json.encode(health))
    fresh.replace(path)


def workers(data: Path) -> list[Health]:
    """What the workers that share the data directory last said; those whose process is gone are left out."""
    found = []
    for path in sorted((data / _DIRECTORY).glob("*.json")):
        with suppress(OSError, msgspec.DecodeError):
            health = msgspec.json.decode(path.read_bytes(), type=Health)
            if _runs(health.pid):
                found.append(health)
    return found


def _runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
