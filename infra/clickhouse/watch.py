"""Watches the clients of running queries: one that cancels, or goes away, has its query killed."""

import contextlib
import logging
import select
import socket
import threading
from collections.abc import Callable, Iterator

from infra.clickhouse.errors import Disconnected
from infra.clickhouse.packets import CLIENT_CANCEL
from schemas import HeadraceError

_log = logging.getLogger(__name__)
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
        self._killed: dict[str, HeadraceError] = {}
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="watch", daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._stop.set()
        self._thread.join()

    @contextlib.contextmanager
    def over(self, client: socket.socket, tag: str) -> Iterator[None]:
        """Watch `client` meanwhile. Raises Cancelled or Disconnected, whatever the engine says, for a killed query.

        Not for an insert that waits for rows: any byte of a row could be taken for a cancel, and an insert that the
        engine refused would then be answered as one that was taken.
        """
        with self._lock:
            self._running[client] = tag
        try:
            yield
        except Exception as error:
            raise self._end(client, tag) or error from None
        if reason := self._end(client, tag):  # the engine may end a killed query as if it were complete
            raise reason

    def _end(self, client: socket.socket, tag: str) -> HeadraceError | None:
        with self._lock:
            self._running.pop(client, None)
            return self._killed.pop(tag, None)

    def _run(self) -> None:
        while not self._stop.wait(_SECONDS):
            with self._lock:
                running = dict(self._running)
            for client, tag in running.items():
                if reason := self._reason(client):
                    self._end_query(tag, reason)

    @staticmethod
    def _reason(client: socket.socket) -> HeadraceError | None:
        poll = select.poll()  # takes file numbers of any size, unlike `select`
        try:
            poll.register(client, select.POLLIN)
            if not poll.poll(0):
                return None
            sent = client.recv(1, socket.MSG_PEEK)
        except (OSError, ValueError):  # closed meanwhile
            sent = b""
        if not sent:
            return Disconnected("the client went away while its query ran")
        return Cancelled() if sent == bytes([CLIENT_CANCEL]) else None

    def _end_query(self, tag: str, reason: HeadraceError) -> None:
        with self._lock:
            if tag not in self._running.values():
                return
            self._killed[tag] = reason
        try:
            self._kill(tag)  # again at the next look while it runs: the engine may not have known it yet
        except Exception as error:  # the engine's; without this thread no query could be cancelled any more
            _log.warning("a query could not be killed: %s", error)
