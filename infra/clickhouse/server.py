"""Accepts connections, a thread each, and ends them all in order."""

import contextlib
import logging
import socket
import struct
import threading

from infra.clickhouse.access import Users
from infra.clickhouse.connection import Connection
from infra.clickhouse.engine import Engine
from infra.clickhouse.watch import Watch
from schemas import Fatal

_log = logging.getLogger(__name__)
_STOP_SECONDS = 20.0
_RETRY_SECONDS = 0.1
# A client that takes nothing of its answer for so long has gone (a true server's `send_timeout`).
_SEND_SECONDS = 300


class Server:
    """Listens on an address. Raises Fatal when it cannot."""

    def __init__(self, engine: Engine, users: Users, host: str, port: int) -> None:
        self._engine, self._users = engine, users
        try:
            self._listener = socket.create_server((host, port), backlog=128)
        except OSError as error:
            raise Fatal(f"cannot listen on {host}:{port}: {error.strerror}; choose another port") from error
        self.port: int = self._listener.getsockname()[1]
        self._watch = Watch(engine.kill)
        self._stopped = threading.Event()
        self._lock = threading.Lock()
        self._clients: dict[socket.socket, threading.Thread] = {}

    def serve(self) -> None:
        """Accept until `stop`; then end the connections. What still runs is cut off: its client sees it and retries."""
        while not self._stopped.is_set():
            try:
                client, _ = self._listener.accept()
                _tune(client)
            except OSError as error:  # closed by `stop`, or a client that has gone, or no file number is left
                if not self._stopped.wait(_RETRY_SECONDS):
                    _log.warning("a connection was not accepted: %s", error.strerror)
                continue
            thread = threading.Thread(target=self._serve, args=(client,), daemon=True)
            with self._lock:
                self._clients[client] = thread
            thread.start()
        self._end_clients()

    def stop(self) -> None:
        """Accept no more; `serve` returns."""
        self._stopped.set()
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _serve(self, client: socket.socket) -> None:
        try:
            Connection(client, self._engine, self._users, self._watch).serve()
        finally:
            with self._lock:
                self._clients.pop(client, None)

    def _end_clients(self) -> None:
        with self._lock:
            left = dict(self._clients)
        for client in left:
            with contextlib.suppress(OSError):
                client.shutdown(socket.SHUT_RD)
        for thread in left.values():
            thread.join(_STOP_SECONDS / max(1, len(left)))
        self._watch.close()


def _tune(client: socket.socket) -> None:
    client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    client.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    client.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, struct.pack("ll", _SEND_SECONDS, 0))
