"""Holds results for a client that does not read them yet, in memory first and then on disk."""

import asyncio
from collections import deque
from tempfile import TemporaryFile
from typing import IO

_MEMORY = 1 << 20
_CHUNK = 1 << 18


class Spool:
    """Bytes in the order in which they were put. Many clients send their whole request before they read: without a
    spool both sides would wait for each other. Use it from one event loop.
    """

    def __init__(self) -> None:
        self._memory: deque[bytes] = deque()
        self._held = 0
        self._file: IO[bytes] | None = None
        self._read = self._written = 0
        self._changed = asyncio.Event()
        self._ended = False

    def put(self, data: bytes) -> None:
        """Add bytes; never waits for the reader."""
        if self._written > self._read or self._held > _MEMORY:
            if self._file is None:
                self._file = TemporaryFile()  # noqa: SIM115  closed by close()
            self._file.seek(self._written)
            self._file.write(data)
            self._written += len(data)
        else:
            self._memory.append(data)
            self._held += len(data)
        self._changed.set()

    def end(self) -> None:
        """Say that nothing more comes."""
        self._ended = True
        self._changed.set()

    async def get(self) -> bytes:
        """The next bytes, all that are there up to about a megabyte; empty at the end."""
        while True:
            if self._memory:
                data = b"".join(self._memory)
                self._memory.clear()
                self._held = 0
                return data
            if self._file is not None and self._written > self._read:
                return self._from_file(self._file)
            if self._ended:
                return b""
            self._changed.clear()
            await self._changed.wait()

    def close(self) -> None:
        """Give the disk space back."""
        if self._file is not None:
            self._file.close()

    def _from_file(self, file: IO[bytes]) -> bytes:
        file.seek(self._read)
        data = file.read(_CHUNK)
        self._read += len(data)
        if self._read == self._written:
            file.truncate(0)
            self._read = self._written = 0
        return data
