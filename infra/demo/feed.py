"""Sends commands through the public bulk route, reading the results while it still sends."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from itertools import islice
from typing import Any

import aiohttp
import msgspec

from schemas import Command, Unavailable, encode

_LINES_A_CHUNK = 500


class Result(msgspec.Struct):
    """What the demo needs of a result line."""

    line: int
    status: int
    receipt: "Receipt | None" = None
    problem: dict[str, Any] | None = None


class Receipt(msgspec.Struct):
    """Of a receipt, what waits for the write and whether it was made before."""

    token: str
    repeated: bool = False


_decoder = msgspec.json.Decoder(Result)


def lines(commands: Iterable[tuple[str, Command]]) -> Iterator[bytes]:
    """Chunks of NDJSON: a command and its id a line."""
    source = iter(commands)
    while chunk := list(islice(source, _LINES_A_CHUNK)):
        yield b"".join(b'{"id":%b,"command":%b}\n' % (encode(id_), encode(command)) for id_, command in chunk)


async def feed(url: str, chunks: Iterable[bytes], take: Callable[[list[Result]], None]) -> None:
    """Send the chunks to the bulk route at `url`; `take` gets the results as they come.

    Raises Unavailable when the API is away or ends in the middle; sending all again is safe then.
    """

    async def body() -> AsyncIterator[bytes]:
        for chunk in chunks:
            yield chunk
            await asyncio.sleep(0)  # so that results are read, too, while the chunks are made

    timeout = aiohttp.ClientTimeout(total=None, sock_connect=10, sock_read=120)
    headers = {"Content-Type": "application/x-ndjson"}
    try:
        async with (
            aiohttp.ClientSession(timeout=timeout) as session,
            session.post(url, data=body(), headers=headers) as response,
        ):
            if response.status != 200:
                raise Unavailable(f"{url} answers {response.status}: {(await response.text())[:500]}")
            rest = b""
            async for data in response.content.iter_any():
                head, newline, tail = (rest + data).rpartition(b"\n")
                rest = tail
                if newline:
                    take([_decoder.decode(line) for line in head.split(b"\n")])
    except aiohttp.ClientError as error:
        raise Unavailable(f"the API went away in the middle of the bulk request ({error}); run it again") from error
