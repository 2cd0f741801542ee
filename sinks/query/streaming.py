"""Answers that are written while they are read: as long as the client takes them, and not longer."""

import asyncio
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import ExitStack
from typing import Any

from litestar.response import Stream

from schemas import Busy
from sinks.query.formats import Format
from sinks.query.reader import Reader

_AT_ONCE = 8


class Streams:
    """Streams results of the reader, so many at once; each has a connection of its own."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader
        self._running = 0

    async def answer(
        self,
        form: Format,
        database: str,
        query: str,
        values: Mapping[str, Any],
        settings: Mapping[str, Any],
        more: Mapping[str, Any],
        headers: Mapping[str, str],
    ) -> Stream:
        """The result of a query in a form. Raises as `Reader.read` for what is wrong before the first row comes, and
        Busy when too many streams run. What goes wrong later cuts the answer off, or is told at its end where the form
        has room for it.
        """
        if self._running >= _AT_ONCE:
            raise Busy(f"{_AT_ONCE} answers are being streamed already", rule="too-many-queries", retry_after=1)
        self._running += 1
        opened = ExitStack()
        try:
            entered = self._reader.stream(database, query, values, settings)
            columns, chunks = await asyncio.to_thread(opened.enter_context, entered)
        except BaseException:
            self._ended(opened)
            raise
        body = self._body(opened, form.write(columns, chunks, more))
        return Stream(body, media_type=form.media_type, headers=dict(headers))

    async def _body(self, opened: ExitStack, parts: Iterator[bytes]) -> AsyncIterator[bytes]:
        try:
            while (part := await asyncio.to_thread(next, parts, None)) is not None:
                if part:
                    yield part
        finally:
            self._ended(opened)

    def _ended(self, opened: ExitStack) -> None:
        self._running -= 1
        opened.close()
