"""The floor of `bench http`: a server that looks at nothing and stores the bytes that it gets, durable at the answer.

The same input and output as the API: HTTP in, one COPY and commit for all that waits, an answer for each.
"""

import asyncio
import io
import queue
import threading
from typing import Any, cast

import psycopg2
import uvloop

from infra.bench.sql import query
from infra.config import Settings

_ANSWER = b'HTTP/1.1 201 Created\r\ncontent-type: application/json\r\ncontent-length: 15\r\n\r\n{"status": 201}'
_BULK = b"HTTP/1.1 200 OK\r\ncontent-type: application/x-ndjson\r\ntransfer-encoding: chunked\r\n\r\n"
_LINE = b'{"line":0,"status":200}\n'
_END = b"0\r\n\r\n"
_BULK_PENDING = 8
_Entry = tuple["_Connection", bytes, int]


class _Connection(asyncio.Protocol):
    """One client connection; reads whole requests, or bulk bodies piece by piece."""

    def __init__(self, store: "_Store") -> None:
        self._store = store
        self._buffer = b""
        self._bulk_left = 0
        self._pending = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)  # uvloop's is no subclass

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        if not self._bulk_left:
            head, separator, body = self._buffer.partition(b"\r\n\r\n")
            if not separator:
                return
            length = int(head.lower().partition(b"content-length: ")[2].split(b"\r\n")[0])
            if not head.split(b" ", 2)[1].endswith(b"/bulk"):
                if len(body) >= length:
                    self._buffer = body[length:]
                    self._store.put((self, body + b"\n", 0))
                return
            self._bulk_left, self._buffer = length, body
            self.transport.write(_BULK)
        self._take_lines()

    def answer(self, lines: int) -> None:
        """All that was put before is durable; `lines` is 0 for a single request."""
        if not lines:
            self.transport.write(_ANSWER)
            return
        self._pending -= 1
        self.transport.resume_reading()
        piece = _LINE * lines
        self.transport.write(b"%x\r\n%b\r\n" % (len(piece), piece))
        if not self._bulk_left and not self._pending:
            self.transport.write(_END)

    def _take_lines(self) -> None:
        whole, newline, rest = self._buffer.rpartition(b"\n")
        if not newline:
            return
        self._bulk_left -= len(whole) + 1
        self._buffer = rest
        self._pending += 1
        if self._pending >= _BULK_PENDING:
            self.transport.pause_reading()
        self._store.put((self, whole + newline, whole.count(b"\n") + 1))


class _Store:
    """A thread that stores everything that waits in one transaction."""

    def __init__(self, url: str, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._waiting: queue.SimpleQueue[_Entry] = queue.SimpleQueue()
        self.put = self._waiting.put
        self._connection: Any = psycopg2.connect(url)
        self._connection.autocommit = True
        threading.Thread(target=self._run, daemon=True).start()

    def _run(self) -> None:
        with self._connection.cursor() as cursor:
            cursor.execute(query("bodies_table"))
            while True:
                entries = [self._waiting.get()]
                while not self._waiting.empty():
                    entries.append(self._waiting.get())
                cursor.copy_expert(query("bodies_copy"), io.BytesIO(b"".join([body for _, body, _ in entries])))
                self._loop.call_soon_threadsafe(self._answer, entries)

    def _answer(self, entries: list[_Entry]) -> None:
        for connection, _, lines in entries:
            connection.answer(lines)


def serve_bare(settings: Settings) -> None:
    """Serve until SIGTERM."""

    async def serve() -> None:
        loop = asyncio.get_running_loop()
        store = _Store(settings.postgres, loop)
        server = await loop.create_server(lambda: _Connection(store), settings.http_host, settings.http_port)
        async with server:
            await server.serve_forever()

    uvloop.run(serve())
