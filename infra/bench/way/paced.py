"""Commands over HTTP at a given pace, each timed from the moment at which it was due."""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass

import msgspec
import uvloop

from infra.bench.errors import BenchError
from infra.stack.ports import HOST

# Of the commands of a connection, every how-many-th is read back.
_READ_BACK = 20


class _Receipt(msgspec.Struct):
    stream: str
    token: str


@dataclass
class Sent:
    """One command: when it was due, when it was answered, the position of its event; and of those that were read back
    with their token, when that was answered."""

    due: float
    answered: float
    position: int
    read: float | None = None


class _Connection:
    """One connection of keep-alive HTTP."""

    def __init__(self, port: int) -> None:
        self._port = port

    async def open(self) -> "_Connection":
        """Connect."""
        self._reader, self._writer = await asyncio.open_connection(HOST, self._port)
        return self

    async def ask(self, request: bytes) -> bytes:
        """The body of the answer. Raises BenchError when it is no success."""
        self._writer.write(request)
        head = await self._reader.readuntil(b"\r\n\r\n")
        start = head.index(b"content-length: ") + 16
        body = await self._reader.readexactly(int(head[start : head.index(b"\r", start)]))
        if not head.startswith(b"HTTP/1.1 20"):
            raise BenchError(f"the server answers {body.decode(errors='replace')}")
        return body

    def close(self) -> None:
        """Disconnect."""
        self._writer.close()


def send(port: int, requests: Sequence[Sequence[bytes]], rate: float, path: str) -> list[Sent]:
    """Send the requests of each connection one after the other, all together `rate` a second; those of a connection
    that falls behind go out late, and are timed from when they were due. One in twenty is read back below `path`.

    Raises BenchError for an answer that is no success.
    """
    loop = uvloop.new_event_loop()
    try:
        return loop.run_until_complete(_send_all(port, requests, rate, path))
    finally:
        loop.close()


async def _send_all(port: int, requests: Sequence[Sequence[bytes]], rate: float, path: str) -> list[Sent]:
    opened = [(await _Connection(port).open(), await _Connection(port).open()) for _ in requests]
    between, began = len(requests) / rate, time.perf_counter() + 0.05
    try:
        senders = [
            _send_each(*opened[number], mine, path, began + number / rate, between)
            for number, mine in enumerate(requests)
        ]
        return [sent for each in await asyncio.gather(*senders) for sent in each]
    finally:
        for pair in opened:
            for connection in pair:
                connection.close()


async def _send_each(
    commands: _Connection, reads: _Connection, requests: Sequence[bytes], path: str, first: float, between: float
) -> list[Sent]:
    sent: list[Sent] = []
    reading: asyncio.Task[None] | None = None
    for number, request in enumerate(requests):
        due = first + number * between
        await asyncio.sleep(max(0.0, due - time.perf_counter()))
        receipt = msgspec.json.decode(await commands.ask(request), type=_Receipt)
        sent.append(Sent(due, time.perf_counter(), int(receipt.token.rpartition(":")[2])))
        if number % _READ_BACK == 0 and (reading is None or reading.done()):
            reading = asyncio.create_task(_read_back(reads, path, receipt, sent[-1]))
    if reading is not None:
        await reading
    return sent


async def _read_back(connection: _Connection, path: str, receipt: _Receipt, sent: Sent) -> None:
    target = f"{path}{receipt.stream}?token={receipt.token}&timeout=30"
    await connection.ask(f"GET {target} HTTP/1.1\r\nHost: {HOST}\r\n\r\n".encode())
    sent.read = time.perf_counter()
