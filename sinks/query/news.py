"""What clients follow live: events as they become visible, and the answer of a query when it changes."""

from collections.abc import Awaitable, Callable, Iterable
from typing import Any

from sinks.query.freshness import Tables, Wish
from sinks.query.live import Message, answer_message, event_message

_EVENTS_AT_ONCE = 500


class EventNews:
    """Events in the order of their positions. `read(limit, values)` answers those that were asked for, after the value
    `after`.
    """

    def __init__(
        self,
        tables: Tables,
        read: Callable[[int, dict[str, Any]], Awaitable[list[dict[str, Any]]]],
        values: dict[str, Any],
    ) -> None:
        self._tables, self._read, self._values = tables, read, values

    async def upto(self) -> int:
        """The position up to which all events are loaded."""
        return await self._tables.upto(["events"])

    async def since(self, after: int, upto: int) -> tuple[list[Message], int]:
        """The next events after a position, and how far they go. What is behind `upto` may have gaps yet."""
        events = await self._read(_EVENTS_AT_ONCE, {"after": after, **self._values})
        reached = events[-1]["position"] if len(events) == _EVENTS_AT_ONCE else upto
        return [event_message(event) for event in events if event["position"] <= upto], min(reached, upto)


class AnswerNews:
    """The answer of a query over some tables, whenever it is another one than before."""

    def __init__(
        self, tables: Tables, names: Iterable[str], answer: Callable[[], Awaitable[list[dict[str, Any]]]]
    ) -> None:
        self._tables, self._names, self._answer = tables, tuple(names), answer
        self._before: list[dict[str, Any]] | None = None

    async def upto(self) -> int:
        """The position up to which the tables are complete."""
        return await self._tables.upto(self._names)

    async def since(self, after: int, upto: int) -> tuple[list[Message], int]:
        """The answer, when it has changed."""
        del after
        fresh = await self._tables.fresh(self._names, Wish())
        found = await self._answer()
        if found == self._before:
            return [], upto
        self._before = found
        return [answer_message(found, fresh)], max(upto, fresh.position)
