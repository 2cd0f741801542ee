"""The static member id of a worker: kept in the data directory, so that it is the same after a restart."""

import fcntl
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path


@contextmanager
def instance(data: Path, app: str) -> Iterator[str]:
    """A member id that no other process uses while the context lasts.

    Each id has a file that is locked; the kernel lets go of it when the process dies. So workers that share a
    data directory take the ids in turn, and one that is started again takes the id that became free.
    """
    data.mkdir(parents=True, exist_ok=True)
    for number in count():
        with (data / f"{app}.member-{number}").open("a+") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                continue
            file.seek(0)
            identity = file.read() or uuid.uuid4().hex
            file.seek(0)
            file.truncate()
            file.write(identity)
            file.flush()
            yield identity
            return
