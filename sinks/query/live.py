"""Live updates as server-sent events: events as they become visible, and answers of named queries when they change.

The id of each message is a position. A client that comes back with `Last-Event-ID` (browsers do it by themselves) goes
on after it: events are sent in the order of their positions, each once, and only when all before them have been loaded.
Source: https://html.spec.whatwg.org/multipage/server-sent-events.html
"""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from typing import Any, Protocol

from litestar import Request
from litestar.response import ServerSentEvent
from litestar.response.sse import ServerSentEventMessage

from schemas import HeadraceError, Unavailable, encode
from sinks.query.formats import told
from sinks.query.freshness import Freshness

_POLL_SECONDS = 0.1
_AWAY_SECONDS = 1.0
# Proxies close what is silent for a minute; and a client that comes back need not skip again what did not match.
_SILENCE_SECONDS = 10.0
Message = ServerSentEventMessage


class News(Protocol):
    """What a client follows."""

    async def upto(self) -> int:
        """The position up to which all is loaded. Raises Unavailable."""

    async def since(self, after: int, upto: int) -> tuple[list[Message], int]:
        """Messages of what came between two positions, and the position that they reach. Raises HeadraceError."""


async def follow(news: News, after: int | None, ending: Callable[[], bool]) -> AsyncIterator[Message]:
    """Messages until `ending`. `after` None: of what comes from now on.

    While ClickHouse does not answer, a message says so, and it goes on afterwards.
    """
    sent = time.monotonic()
    while not ending():
        try:
            upto = await news.upto()
            after = upto if after is None else after
            messages, reached = await news.since(after, upto) if upto > after else ([], after)
        except Unavailable as error:
            yield _problem(error)
            await asyncio.sleep(_AWAY_SECONDS)
            continue
        except HeadraceError as error:
            yield _problem(error)
            return
        for message in messages:
            yield message
        after = reached
        if messages:
            sent = time.monotonic()
        elif time.monotonic() - sent >= _SILENCE_SECONDS:
            yield Message(event="position", id=str(after), data=str(after))
            sent = time.monotonic()
        if after >= upto:
            await asyncio.sleep(_POLL_SECONDS)


def resumed(request: Request[Any, Any, Any], asked: dict[str, str]) -> dict[str, str]:
    """The parameters with the position after which to go on, as a client says it that comes back."""
    last = request.headers.get("last-event-id")
    return asked if not last else {**asked, "after": last}


def event_message(event: dict[str, Any]) -> Message:
    """An event, under the name of its type."""
    return Message(event=event["type"], id=str(event["position"]), data=encode(event).decode())


def answer_message(rows: list[dict[str, Any]], fresh: Freshness) -> Message:
    """The whole answer of a query."""
    return Message(event="answer", id=str(fresh.position), data=encode({"data": rows, "freshness": fresh}).decode())


def respond_live(messages: AsyncIterator[Message]) -> ServerSentEvent:
    """The response that sends them; no proxy shall hold them back."""
    return ServerSentEvent(messages, headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"})


def _problem(error: HeadraceError) -> Message:
    return Message(event="problem", data=encode(told(error)).decode())
