"""Clients that load an HTTP server and cost little themselves: prepared bytes, raw sockets, hardly any parsing."""

import asyncio
import time
from collections import deque
from collections.abc import Callable, Sequence
from functools import partial
from typing import cast

import uvloop

from infra.bench.errors import BenchError
from infra.bench.frame import Sample, uncollected
from infra.stack.ports import HOST
from schemas import Command, Domain, encode

_FIRST_RATE = 1000.0


class _Connection(asyncio.Protocol):
    """One connection that sends its next request when the answer to the last one has come."""

    def __init__(self, requests: deque[bytes], latencies: list[float]) -> None:
        self._requests = requests
        self._latencies = latencies
        self._buffer = b""
        self._deadline = self._sent = 0.0
        self.done: asyncio.Future[None]

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is no subclass

    def begin(self, deadline: float) -> "asyncio.Future[None]":
        """Send and receive until the deadline."""
        self._deadline = deadline
        self.done = asyncio.get_running_loop().create_future()
        self._send()
        return self.done

    def data_received(self, data: bytes) -> None:
        self._buffer = self._buffer + data if self._buffer else data
        head = self._buffer.find(b"\r\n\r\n")
        if head < 0:
            return
        start = self._buffer.index(b"content-length: ") + 16
        if len(self._buffer) < head + 4 + int(self._buffer[start : self._buffer.index(b"\r", start)]):
            return
        now = time.perf_counter()
        if not self._buffer.startswith(b"HTTP/1.1 20"):
            self.done.set_exception(BenchError(f"the server answers {self._buffer.decode(errors='replace')}"))
            return
        self._latencies.append((now - self._sent) * 1000)
        self._buffer = b""
        if now < self._deadline and self._requests:
            self._send()
        else:
            self.done.set_result(None)

    def connection_lost(self, error: Exception | None) -> None:
        if not self.done.done():
            self.done.set_exception(BenchError(f"the server closed a connection: {error}"))

    def close(self) -> None:
        """Close the connection."""
        self._transport.abort()

    def _send(self) -> None:
        self._sent = time.perf_counter()
        self._transport.write(self._requests.popleft())


class Singles:
    """Requests one after the other on each of many connections. `prepare(connection, n)` gives the next n requests of a
    connection."""

    def __init__(self, port: int, connections: int, prepare: Callable[[int, int], Sequence[bytes]]) -> None:
        self._prepare = prepare
        self._loop = uvloop.new_event_loop()
        self._queues: list[deque[bytes]] = [deque() for _ in range(connections)]
        self._latencies: list[float] = []
        self._rate = _FIRST_RATE
        self._port = port

    def run(self, seconds: float) -> Sample:
        # Twice what the last round would need, so that no connection runs out; the rest is for the next round.
        wanted = int(self._rate * seconds * 2 / len(self._queues)) + 10
        for number, queue in enumerate(self._queues):
            queue.extend(self._prepare(number, max(0, wanted - len(queue))))
        self._latencies.clear()
        # Anew each time: while others are measured, a server closes connections that nobody uses.
        connections = self._loop.run_until_complete(self._connect())
        with uncollected():
            processor, began = time.process_time(), time.perf_counter()
            self._loop.run_until_complete(_load(connections, began + seconds))
            duration, processor = time.perf_counter() - began, time.process_time() - processor
        self._loop.run_until_complete(_close(connections))
        count = len(self._latencies)
        self._rate = count / duration
        return Sample(count, duration, tuple(self._latencies), {"client_us": processor / count * 1e6})

    def close(self) -> None:
        """Close the event loop."""
        self._loop.close()

    async def _connect(self) -> list[_Connection]:
        loop, made = asyncio.get_running_loop(), []
        for waiting in self._queues:
            _, connection = await loop.create_connection(
                partial(_Connection, waiting, self._latencies), HOST, self._port
            )
            made.append(connection)
        return made


async def _load(connections: Sequence[_Connection], deadline: float) -> None:
    await asyncio.gather(*(connection.begin(deadline) for connection in connections))


async def _close(connections: Sequence[_Connection]) -> None:
    for connection in connections:
        connection.close()
    await asyncio.sleep(0)


def request(domain: Domain, paths: dict[type[Command], str], id_: str, command: Command) -> bytes:
    """The request that sends a command; `paths` are those of commands that do not begin a stream."""
    path = paths.get(type(command))
    root = f"/api/{domain.name}/"
    body = encode(command)
    head = (
        f"POST {root if path is None else f'{root}{domain.stream_of(command)}/{path}'} HTTP/1.1\r\nHost: {HOST}\r\n"
        f"Content-Type: application/json\r\nIdempotency-Key: {id_}\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body
