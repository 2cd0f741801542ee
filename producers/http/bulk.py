"""The bulk route: results stream back while the request is still being read."""

import asyncio
from collections.abc import AsyncIterator
from http import HTTPStatus

from litestar.types import Receive, Scope, Send

from producers.handling.handler import CommandHandler
from producers.handling.requests import Request
from producers.handling.rounds import Result
from producers.http.inflate import Inflater
from producers.http.lines import Splitter, encode_results, request_of, result
from producers.http.spool import Spool
from schemas import HeadraceError, Malformed, reach

MEDIA_TYPE = "application/x-ndjson"
PATIENCE = 60.0
_GROUPS_UNDER_WAY = 16
_Entries = list[tuple[int, Request | HeadraceError]]


class _Group:
    """Lines that were read together: what each of them asks for, and the results to come."""

    def __init__(
        self, entries: list[tuple[int, Request | HeadraceError]], results: asyncio.Future[list[Result]]
    ) -> None:
        self.entries = entries
        self.results = results


class BulkExchange:
    """One bulk request and its response, as an ASGI application.

    Lines are handled in their order, a bounded number at a time: while the handler has enough to do, nothing more is
    read. While the store is down they wait for up to `PATIENCE` seconds, then each gets an error line. When the client
    goes away, what was read is still handled.
    """

    def __init__(self, handler: CommandHandler, inflater: Inflater | None = None) -> None:
        self._handler = handler
        self._inflater = inflater
        self._splitter = Splitter()
        self._spool = Spool()
        self._groups: asyncio.Queue[_Group | None] = asyncio.Queue(_GROUPS_UNDER_WAY)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        del scope
        tasks = [asyncio.create_task(self._read(receive)), asyncio.create_task(self._settle())]
        try:
            await self._answer(send)
            # Only now: a mistake in one of them must leave the response without its end, not shorten it.
            await asyncio.gather(*tasks)
            await send({"type": "http.response.body", "body": b"", "more_body": False})
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            while not self._groups.empty():
                group = self._groups.get_nowait()
                if group is not None:
                    group.results.cancel()
            self._spool.close()

    async def _read(self, receive: Receive) -> None:
        try:
            async for data in _chunks(receive):
                for plain in self._inflater.feed(data) if self._inflater else (data,):
                    await self._submit(self._splitter.feed(plain))
            if self._inflater:
                self._inflater.finish()
            await self._submit(self._splitter.finish())
        except _ClientGone:
            pass
        except Malformed as error:
            await self._groups.put(_Group([(self._splitter.next, error)], self._handler.submit([])))
        finally:
            await self._groups.put(None)

    async def _submit(self, lines: list[tuple[int, bytes]]) -> None:
        if lines:
            await self._handler.room()
            entries = [(number, request_of(self._handler.domain, line)) for number, line in lines]
            requests = [entry for _, entry in entries if isinstance(entry, Request)]
            await self._groups.put(_Group(entries, self._handler.submit(requests, patience=PATIENCE)))

    async def _settle(self) -> None:
        try:
            while (group := await self._groups.get()) is not None:
                try:
                    results = iter(await group.results)
                    outcomes = [e if isinstance(e, HeadraceError) else next(results) for _, e in group.entries]
                except HeadraceError as error:
                    outcomes = [e if isinstance(e, HeadraceError) else error for _, e in group.entries]
                lines = [result(number, o) for (number, _), o in zip(group.entries, outcomes, strict=True)]
                reach("http.answering")
                self._spool.put(encode_results(lines))
        finally:
            self._spool.end()

    async def _answer(self, send: Send) -> None:
        # The head goes out with the first result: before that, the server would not ask for the body of a client
        # that waits with it ("Expect: 100-continue").
        data = await self._spool.get()
        await send(
            {
                "type": "http.response.start",
                "status": HTTPStatus.OK,
                "headers": [(b"content-type", MEDIA_TYPE.encode())],
            }
        )
        while data:
            await send({"type": "http.response.body", "body": data, "more_body": True})
            data = await self._spool.get()


class _ClientGone(Exception):
    """The client closed the connection before the end of its request."""


async def _chunks(receive: Receive) -> AsyncIterator[bytes]:
    while True:
        message = await receive()
        if message["type"] != "http.request":
            raise _ClientGone
        if message["body"]:
            yield message["body"]
        if not message.get("more_body", False):
            return
