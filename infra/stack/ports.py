"""The ports of the servers: chosen once, kept while they are free, so that URLs stay the same."""

import json
import random
import socket
from pathlib import Path

from infra.stack.errors import StackError
from infra.stack.layout import write_private

HOST = "127.0.0.1"
# Below the kernel's range for outgoing connections: there a client that waits for its server to
# come back could be given the server's own port, and connect to itself.
_RANGE = range(20_000, 32_000)


def is_free(port: int) -> bool:
    """Whether a server could listen on the port now."""
    with socket.socket() as probe:
        # As servers do: a connection in TIME_WAIT does not make the port taken.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
        return True


class Ports:
    """The ports by name, remembered in a file."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._ports: dict[str, int] = json.loads(file.read_text()) if file.exists() else {}

    def take(self, name: str) -> tuple[int, int | None]:
        """A free port for `name`, and the port it had before when that is taken now by something else."""
        known = self._ports.get(name)
        if known is not None and is_free(known):
            return known, None
        self._ports[name] = self._choose()
        write_private(self._file, self._ports)
        return self._ports[name], known

    def _choose(self) -> int:
        for port in random.sample(_RANGE, 200):
            if port not in self._ports.values() and is_free(port):
                return port
        raise StackError(f"no free port between {_RANGE.start} and {_RANGE.stop} on {HOST}")
