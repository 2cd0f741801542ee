"""How fresh an answer is, and waiting until it is fresh enough: always by the progress of the very tables it reads."""

import asyncio
import re
import time
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import Any

from msgspec import Struct

from schemas import Domain, Invalid, Unavailable
from sinks.query.reader import Reader
from sinks.query.shared import Shared
from sinks.sql import statement

# Who waits looks this often at least, and not so often that looking is most of what the server does.
POLL_SECONDS, REST = 0.01, 5.0
_DEFAULT_SECONDS, _MOST_SECONDS = 5.0, 30.0
# How long a query waits to learn the head; one that needs it also longer, as it wishes.
_HEAD_SECONDS = 1.0
# Who bounds the staleness asks for the head again, so not as often.
_BOUNDED_POLL_SECONDS = 0.05
_SPAN = re.compile(r"(?P<number>[0-9]{1,9}(\.[0-9]{1,9})?)(?P<unit>ms|s|m|h)?")
_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}
_Progress = tuple[int, datetime | None]


class Freshness(Struct, frozen=True):
    """All tables that were read are complete up to `position`; the domain's last event is `head` (null: unknown).

    `staleness_ms` is the age of the state that was read: 0 when complete.
    """

    position: int
    head: int | None
    complete: bool | None
    staleness_ms: float | None
    as_of: datetime


def headers_of(found: Freshness) -> dict[str, str]:
    """The freshness in headers, for the forms of an answer that have no room for it."""
    headers = {"Headrace-Position": str(found.position)}
    if found.staleness_ms is not None:
        headers["Headrace-Staleness-Ms"] = f"{found.staleness_ms:g}"
    return headers


class Wish(Struct, frozen=True):
    """What a caller asks for: `eventual`, `token` with a position, or `strong`; and how long it waits.

    `staleness` bounds the age, in seconds, of what is read; a state that misses nothing is of now.
    """

    kind: str = "eventual"
    position: int = 0
    seconds: float = _DEFAULT_SECONDS
    staleness: float | None = None

    def met(self, found: Freshness, goal: int) -> bool:
        """Whether what was found is as fresh as wished; `goal` is the position that must be there."""
        if found.position < goal:
            return False
        return self.staleness is None or (
            found.staleness_ms is not None and found.staleness_ms <= self.staleness * 1000
        )


def wish_of(domain: Domain, asked: dict[str, str]) -> Wish:
    """The wish in the parameters `consistency`, `token`, `max_staleness` and `timeout`, which are taken out.

    Raises Invalid.
    """
    kind, token, timeout = (asked.pop(name, None) for name in ("consistency", "token", "timeout"))
    staleness = _staleness(asked.pop("max_staleness", None))
    kind = kind or ("token" if token else "eventual")
    if kind not in ("eventual", "token", "strong"):
        raise Invalid("consistency must be eventual, token or strong", rule="invalid-parameter", field="consistency")
    try:
        seconds = float(timeout or _DEFAULT_SECONDS)
    except ValueError:
        seconds = -1
    if not 0 <= seconds <= _MOST_SECONDS:
        raise Invalid(
            f"timeout must be seconds from 0 to {_MOST_SECONDS:.0f}", rule="invalid-parameter", field="timeout"
        )
    if kind != "token" and token is None:
        return Wish(kind, 0, seconds, staleness)
    name, _, position = (token or "").partition(":")
    if name != domain.name or not (position.isascii() and position.isdecimal() and len(position) < 20):
        detail = f"token must be one that a command of {domain.name} has answered, as {domain.name}:123"
        raise Invalid(detail, rule="invalid-token", field="token")
    return Wish(kind, int(position) if kind == "token" else 0, seconds, staleness)


def _staleness(text: str | None) -> float | None:
    if text is None:
        return None
    match = _SPAN.fullmatch(text)
    if match is None:
        raise Invalid(
            "max_staleness must be a span of time as 2s or 500ms", rule="invalid-parameter", field="max_staleness"
        )
    return float(match["number"]) * _UNITS[match["unit"] or "s"]


class Tables:
    """The progress of a domain's tables."""

    def __init__(self, domain: Domain, reader: Reader, head: Callable[[Domain], int | None]) -> None:
        self._domain, self._reader, self._head = domain, reader, head
        self._asking = Shared[_Progress]()
        self._took = 0.0

    async def fresh(self, tables: Iterable[str], wish: Wish) -> Freshness:
        """Wait until the tables are as fresh as wished.

        Raises Unavailable, saying how far they are, and Invalid for a position that the domain has not reached.
        """
        topics = sorted({self._topic(table) for table in tables})
        deadline = time.monotonic() + wish.seconds
        head = await self._head_within(max(wish.seconds, _HEAD_SECONDS) if wish.kind == "strong" else _HEAD_SECONDS)
        if wish.kind == "strong" and head is None:
            raise Unavailable(
                "PostgreSQL does not answer, so the last position is not known", rule="head-unknown", retry_after=1
            )
        if head is not None and wish.position > head:
            raise Invalid(
                f"token is of position {wish.position}, but {self._domain.name} has {head} events only",
                rule="invalid-token",
                field="token",
            )
        goal = head or 0 if wish.kind == "strong" else wish.position
        while True:
            position, moment = await self._progress(topics)
            found = _freshness(position, moment, head)
            if wish.met(found, goal):
                return found
            if time.monotonic() >= deadline:
                raise _too_late(found, goal, wish, topics)
            if wish.staleness is None:
                await asyncio.sleep(max(POLL_SECONDS, REST * self._took))
            else:
                await asyncio.sleep(_BOUNDED_POLL_SECONDS)
                head = await self._head_within(_HEAD_SECONDS)

    async def upto(self, tables: Iterable[str]) -> int:
        """The position up to which the tables are complete. Raises Unavailable when ClickHouse does not answer."""
        position, _ = await self._progress(sorted({self._topic(table) for table in tables}))
        return position

    def _topic(self, table: str) -> str:
        """The topic that a table is loaded from; rollups stand behind the events."""
        for aggregate in self._domain.aggregates:
            if aggregate.name == table:
                return self._domain.aggregate_topic(aggregate)
        return self._domain.events_topic

    async def _head_within(self, seconds: float) -> int | None:
        try:
            return await asyncio.wait_for(asyncio.to_thread(self._head, self._domain), seconds)
        except TimeoutError:
            return None

    async def _progress(self, topics: list[str]) -> _Progress:
        """How far the topics are. All who wait at the same time share one reading: many waiters are one load."""
        return await self._asking.get(tuple(topics), lambda: self._read_progress(topics))

    async def _read_progress(self, topics: list[str]) -> _Progress:
        began = time.monotonic()
        result = await self._reader.read(
            self._domain.projection_database, statement("read_progress"), {"topics": topics}
        )
        self._took = time.monotonic() - began
        done: dict[Any, tuple[int, datetime]] = {(topic, n): (upto, at) for topic, n, upto, at in result.rows}
        wanted = [done.get((topic, n)) for topic in topics for n in range(self._domain.partitions)]
        if None in wanted:
            return 0, None
        return min(each for each in wanted if each is not None)


def _too_late(found: Freshness, goal: int, wish: Wish, topics: list[str]) -> Unavailable:
    if found.position < goal:
        return Unavailable(
            f"position {goal} is not in {', '.join(topics)} yet: they are complete up to {found.position}",
            rule="not-yet-visible",
            retry_after=1,
        )
    age = "of an unknown age" if found.staleness_ms is None else f"{found.staleness_ms / 1000:g} s old"
    return Unavailable(
        f"{', '.join(topics)} are complete up to {found.position}, which is {age}, not within {wish.staleness:g} s",
        rule="too-stale",
        retry_after=1,
    )


def _freshness(position: int, moment: datetime | None, head: int | None) -> Freshness:
    now = datetime.now(UTC)
    complete = None if head is None else position >= head
    if complete:
        staleness: float | None = 0.0
    else:
        staleness = None if moment is None else max(0.0, round((now - moment).total_seconds() * 1000, 1))
    return Freshness(position, head, complete, staleness, now)
