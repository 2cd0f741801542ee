"""The ports of the servers: chosen once, kept while they are free, so that URLs stay the same.

A port is chosen before its server listens on it. Two starts on one machine could choose the same one meanwhile, and one
stack would then talk to the other's server: so whoever has chosen a port claims it until its server answers.
"""

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
    """The ports by name, remembered in a file; those that were taken are claimed until this is closed."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._ports: dict[str, int] = json.loads(file.read_text()) if file.exists() else {}
        self._claims: list[socket.socket] = []

    def __enter__(self) -> "Ports":
        return self

    def __exit__(self, *_: object) -> None:
        while self._claims:
            self._claims.pop().close()

    def take(self, name: str) -> tuple[int, int | None]:
        """A free port for `name`, and the port it had before when that is taken now by something else."""
        known = self._ports.get(name)
        if known is not None and self._claim(known):
            return known, None
        self._ports[name] = self._choose()
        write_private(self._file, self._ports)
        return self._ports[name], known

    def _choose(self) -> int:
        for port in random.sample(_RANGE, min(200, len(_RANGE))):
            if port not in self._ports.values() and self._claim(port):
                return port
        raise StackError(f"no free port between {_RANGE.start} and {_RANGE.stop} on {HOST}")

    def _claim(self, port: int) -> bool:
        """Whether the port is free and nobody else is about to use it; then it is ours."""
        # The UDP port of the same number, which no server here uses: the system frees it with the process.
        claim = socket.socket(type=socket.SOCK_DGRAM)
        try:
            claim.bind((HOST, port))
        except OSError:
            claim.close()
            return False
        self._claims.append(claim)
        return is_free(port)
