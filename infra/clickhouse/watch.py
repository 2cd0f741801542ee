"""Watches the clients of running queries: one that cancels, or goes away, has its query killed."""

import contextlib
import select
import socket
import threading
from collections.abc import Callable, Iterator

from infra.clickhouse.packets import CLIENT_CANCEL
from schemas import HeadraceError

_SECONDS = 0.05


class Cancelled(HeadraceError):
    """The client no longer wants the answer to its query."""

    def __init__(self) -> None:
        super().__init__("the query was cancelled by the client")


class Watch:
    """One thread for all running queries. `kill` gets the tag of the query to stop."""

    def __init__(self, kill: Callable[[str], None]) -> None:
        self._kill = kill
        self._lock = threading.Lock()
        self._running: dict[socket.socket, str] = {}
        self._cancelled: set[str] = set()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="watch", daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._stop.set()
        self._thread.join()

    @contextlib.contextmanager
    def over(self, client: socket.socket, tag: str) -> Iterator[None]:
        """Watch `client` meanwhile. Raises Cancelled instead of the engine's error when the query was killed."""
        with self._lock:
            self._running[client] = tag
        try:
            yield
        except Exception:
            with self._lock:
                cancelled = tag in self._cancelled
            if cancelled:
                raise Cancelled from None
            raise
        finally:
            with self._lock:
                self._running.pop(client, None)
                self._cancelled.discard(tag)

    def _run(self) -> None:
        while not self._stop.wait(_SECONDS):
            with self._lock:
                running = dict(self._running)
            with contextlib.suppress(OSError, ValueError):  # closed meanwhile
                readable, _, _ = select.select(list(running), [], [], 0)
                for client in readable:
                    if self._gone(client):
                        self._cancel(running[client])

    @staticmethod
    def _gone(client: socket.socket) -> bool:
        try:
            return client.recv(1, socket.MSG_PEEK) in (b"", bytes([CLIENT_CANCEL]))
        except OSError:
            return True

    def _cancel(self, tag: str) -> None:
        with self._lock:
            if tag not in self._running.values() or tag in self._cancelled:
                return
            self._cancelled.add(tag)
        self._kill(tag)
