"""Clients that load the bulk route and cost little themselves: prepared bytes, raw sockets, hardly any parsing."""

import select
import socket
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from functools import partial

from infra.bench.errors import BenchError
from infra.bench.frame import Sample, uncollected
from infra.stack.ports import HOST

_PIECE = 1 << 18
# Lines of a request, and how many of these a connection should send in a run.
_LEAST, _MOST = 50, 5_000
_REQUESTS = 5
_FIRST_RATE = 1_000.0


class Bulk:
    """Bulk requests one after the other on each of some connections, each answered while it is still sent.

    `prepare(lines, requests)` gives the bodies for one connection's run.
    """

    def __init__(self, port: int, path: str, connections: int, prepare: Callable[[int, int], Sequence[bytes]]) -> None:
        self._port, self._connections, self._prepare = port, connections, prepare
        self._head = f"POST {path} HTTP/1.1\r\nHost: {HOST}\r\nContent-Type: application/x-ndjson\r\n"
        self._rate = _FIRST_RATE

    def run(self, seconds: float) -> Sample:
        share = self._rate * seconds / self._connections
        lines = min(max(int(share / _REQUESTS), _LEAST), _MOST)
        # Half as many again as the last round would need, so that no connection runs out.
        bodies = [self._prepare(lines, int(share * 1.5 / lines) + 1) for _ in range(self._connections)]
        requests = [[self._request(body) for body in each] for each in bodies]
        with ExitStack() as open_:
            pool = open_.enter_context(ThreadPoolExecutor(self._connections))
            sockets = [open_.enter_context(socket.create_connection((HOST, self._port))) for _ in requests]
            open_.enter_context(uncollected())
            processor, began = time.process_time(), time.perf_counter()
            send = partial(_send, lines=lines, deadline=began + seconds)
            count = sum(pool.map(send, sockets, requests))
            duration, processor = time.perf_counter() - began, time.process_time() - processor
        self._rate = count / duration
        return Sample(count, duration, notes={"client_us": processor / count * 1e6})

    def _request(self, body: bytes) -> bytes:
        return f"{self._head}Content-Length: {len(body)}\r\n\r\n".encode() + body


def _send(connection: socket.socket, requests: Sequence[bytes], *, lines: int, deadline: float) -> int:
    """Send requests of so many lines, at least one, until the deadline; how many lines were accepted.

    Raises BenchError unless all are.
    """
    count = 0
    for request in requests:
        if count and time.perf_counter() > deadline:
            break
        try:
            good = _exchange(connection, memoryview(request))
        except OSError as error:
            raise BenchError(f"the server went away in the bulk request: {error}") from error
        if good != lines:
            raise BenchError(f"of {lines} commands in bulk, {good} were accepted")
        count += lines
    return count


def _exchange(connection: socket.socket, request: memoryview) -> int:
    """Send the request, receive the whole answer meanwhile; how many of its lines tell of success."""
    connection.setblocking(False)
    poll = select.poll()
    poll.register(connection, select.POLLIN | select.POLLOUT)
    mark, tail, good = b'"status":200', b"", 0
    while not tail.endswith(b"\r\n0\r\n\r\n"):
        [(_, ready)] = poll.poll(60_000) or [(0, 0)]
        if not ready:
            raise BenchError("the server does not answer the bulk request within 60 s")
        if ready & select.POLLOUT and request:
            request = request[connection.send(request[:_PIECE]) :]
            if not request:
                poll.modify(connection, select.POLLIN)
        if ready & (select.POLLIN | select.POLLHUP | select.POLLERR):
            data = connection.recv(_PIECE)
            if not data:
                raise BenchError(f"the server closed the connection of the bulk request: {tail!r}")
            # What is kept of the last piece is too short to hold a mark: none is counted twice.
            data = tail + data
            good += data.count(mark)
            tail = data[-(len(mark) - 1) :]
    return good
