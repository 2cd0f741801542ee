"""The answers to queries: freshness first, then the rows, so that an answer is never older than it says."""

import logging
from collections.abc import Awaitable, Callable, Iterable
from copy import copy
from functools import partial
from typing import Any, TypeVar

import msgspec
from litestar import Response
from litestar.response import Stream

from schemas import Domain, Invalid, NotFound, encode
from sinks.query.formats import JSON, Format
from sinks.query.freshness import Freshness, Tables, Wish, headers_of, wish_of
from sinks.query.likeness import as_loaded
from sinks.query.live import News
from sinks.query.named import NamedQuery, queries_of
from sinks.query.news import AnswerNews, EventNews
from sinks.query.paging import MAX_PAGE, Pages, Turn, rows_of, turn_of
from sinks.query.parameters import nothing_else, whole_number
from sinks.query.past import Asked, Moment, Past, asked_of_past, freshness_as_of, told
from sinks.query.reader import QueryFailed, Reader, Result
from sinks.query.shared import Shared
from sinks.query.streaming import Streams
from sinks.query.tables import MAX_LIMIT, Columns, page
from sinks.sql import statement
from sinks.tables import tables_of

T = TypeVar("T")
_log = logging.getLogger(__name__)
_LIMITS = {"max_result_rows": 1_000_000, "result_overflow_mode": "throw"}
# One row more than a page says whether there is a next one.
_PAGE_LIMITS = {"max_result_rows": MAX_PAGE + 1, "result_overflow_mode": "throw"}


def respond(body: dict[str, Any], freshness: Freshness | None = None) -> Response[bytes]:
    """A JSON answer that says how fresh it is."""
    headers: dict[str, str] = {}
    if freshness is not None:
        body["freshness"] = freshness
        headers = headers_of(freshness)
    return Response(encode(body), media_type="application/json", headers=headers)


class Answers:
    """Answers queries of one domain, from the build that it names.

    `first` is the aggregate whose rows stand at the domain's root, `queries` are the named queries.
    """

    def __init__(
        self, domain: Domain, reader: Reader, streams: Streams, head: Callable[[Domain], int | None], past: Past | None
    ) -> None:
        self._domain, self._reader, self._streams, self._past = domain, reader, streams, past
        self._database = domain.projection_database
        self._progress = Tables(domain, reader, head)
        self._fresh: Callable[[Iterable[str], Wish], Awaitable[Freshness]] = self._progress.fresh
        self._columns, self._pages = Columns(reader), Pages(reader)
        self._running = Shared[Result]()
        self._keys = {table.aggregate: table.key for table in tables_of(domain)}
        self.first, self.queries = domain.aggregates[0].name, queries_of(domain)

    def query(self, name: str) -> NamedQuery:
        """The named query. Raises NotFound when this build has none of that name."""
        if name not in self.queries:
            raise NotFound(f"there is no query {name!r}; there are {', '.join(self.queries)}", rule="unknown-query")
        return self.queries[name]

    async def at(self, asked: dict[str, str], tell: Callable[["Answers", dict[str, str]], Awaitable[T]]) -> T:
        """What these answers tell, or with the parameter `as_of` those as of that moment; `tell` gets all other
        parameters.

        Raises Invalid for a moment that there is not, Gone for one that is not kept, Unavailable while its tables are
        being made.
        """
        wished = asked_of_past(self._domain, asked)
        if wished is None:
            return await tell(self, asked)
        moment = await self._moment(wished)
        return await self._told(moment, wished.seconds, lambda then: tell(then, dict(asked)))

    async def _moment(self, wished: Asked) -> Moment:
        if self._past is None:
            raise Invalid("this server does not look into the past", rule="unknown-parameter", field="as_of")
        return await self._past.moment(self._domain, wished.text)

    async def _told(self, moment: Moment, seconds: float, tell: Callable[["Answers"], Awaitable[T]]) -> T:
        assert self._past is not None
        return await told(self._past, self._domain, moment, seconds, lambda edition: tell(self._of(moment, edition)))

    def _of(self, moment: Moment, edition: str) -> "Answers":
        async def fresh(_tables: Iterable[str], _wish: Wish) -> Freshness:
            return freshness_as_of(moment)

        made = copy(self)
        made._database, made._fresh, made._running = edition, fresh, Shared()
        return made

    async def rows(self, aggregate: str, asked: dict[str, str]) -> Response[bytes]:
        """A page of an aggregate's rows. Raises NotFound for an unknown aggregate, Invalid for a bad parameter."""
        key, wish = self._key(aggregate), wish_of(self._domain, asked)
        columns = await self._columns.of(self._domain.projection_database, aggregate)
        part = page(aggregate, columns, key, asked.items())
        fresh = await self._fresh([aggregate], wish)
        result = await self._read(part.query, part.parameters)
        objects = [dict(zip(columns, row, strict=False)) for row in result.rows[: part.limit]]
        return respond({"data": objects, "next": part.next(result.rows)}, fresh)

    async def row(self, aggregate: str, row: str, asked: dict[str, str]) -> Response[bytes]:
        """One row. Raises NotFound when there is none."""
        found, fresh = await self._find(aggregate, row, asked)
        return respond({"data": found}, fresh)

    async def status(self, aggregate: str, row: str, asked: dict[str, str]) -> Response[bytes]:
        """The status of a row, with its instants. Raises NotFound when there is no row, or no status."""
        found, fresh = await self._find(aggregate, row, asked)
        if "status" not in found:
            raise NotFound(f"{aggregate} have no status", rule="no-status")
        shown = {name: value for name, value in found.items() if name == "status" or name.endswith("_at")}
        return respond({"data": {self._keys[aggregate]: row, **shown}}, fresh)

    async def log(self, stream: str, asked: dict[str, str]) -> Response[bytes]:
        """The events of a stream after a version. Raises NotFound for a stream without events."""
        wish, (after, limit) = wish_of(self._domain, asked), self._span(asked)
        nothing_else(asked)
        fresh = await self._fresh(["events"], wish)
        condition = "stream = {stream:String} AND version > {after:UInt64}"
        events = await self._events(condition, "version", limit, {"stream": stream, "after": after})
        if not events and not after:
            raise NotFound(f"there is no {stream!r}", rule="unknown-stream")
        return respond({"data": events, "next": events[-1]["version"] if len(events) == limit else None}, fresh)

    async def events(self, asked: dict[str, str]) -> Response[bytes]:
        """Events after a position, of one type or stream if asked."""
        wish, (after, limit) = wish_of(self._domain, asked), self._span(asked)
        condition, values = self._chosen(asked)
        fresh = await self._fresh(["events"], wish)
        events = await self._events(condition, "position", limit, {"after": after, **values})
        return respond({"data": events, "next": events[-1]["position"] if len(events) == limit else None}, fresh)

    def live_events(self, asked: dict[str, str]) -> tuple[News, int | None]:
        """The events to follow, of one type or stream if asked, and after which position. Raises Invalid."""
        after = None
        if "after" in asked:
            after = whole_number(asked.pop("after"), "after", 0, 2**63)
        condition, values = self._chosen(asked)
        return EventNews(self._progress, partial(self._events, condition, "position"), values), after

    def live_answer(self, query: NamedQuery, asked: dict[str, str]) -> tuple[News, int | None]:
        """The answers of a named query to follow, the present one first. Raises Invalid."""
        # The present answer comes first even where no event has been loaded yet.
        after = whole_number(asked.pop("after"), "after", 0, 2**63) if "after" in asked else -1
        values = query.bind(asked.items())

        async def answer() -> list[dict[str, Any]]:
            return (await self._read(query.statement, values)).objects()

        return AnswerNews(self._progress, query.tables, answer), after

    def _chosen(self, asked: dict[str, str]) -> tuple[str, dict[str, Any]]:
        """The condition on events that the parameters ask for, with its values."""
        conditions, values = ["position > {after:UInt64}"], dict[str, Any]()
        for name in ("type", "stream"):
            if name in asked:
                values[name] = asked.pop(name)
                conditions.append(f"{name} = {{{name}:String}}")
        if "type" in values and values["type"] not in (known := [event.__name__ for event in self._domain.events]):
            raise Invalid(f"type must be one of {', '.join(known)}", rule="unknown-event", field="type")
        nothing_else(asked)
        return " AND ".join(conditions), values

    async def named(self, query: NamedQuery, asked: dict[str, str], form: Format) -> Response[bytes] | Stream:
        """The rows of a named query, all or a page; streamed when the form is not JSON. Raises Invalid for a bad
        parameter."""
        wish, turn = wish_of(self._domain, asked), turn_of(query.ordered, asked)
        values = query.bind(asked.items())
        if form is JSON:
            return await self._in_json(query, values, wish, turn)
        if turn.asked:
            raise Invalid("pages are answered in JSON only", rule="not-acceptable", field="Accept")
        fresh = await self._fresh(query.tables, wish)
        database, more = self._database, {"freshness": fresh}
        return await self._streams.answer(form, database, query.statement, values, _LIMITS, more, headers_of(fresh))

    async def _in_json(self, query: NamedQuery, values: dict[str, Any], wish: Wish, turn: Turn) -> Response[bytes]:
        order, database = query.ordered, self._database
        if not turn.asked and not (order and order.own_limit):
            fresh = await self._fresh(query.tables, wish)
            result = await self._at(fresh.position, query.statement, values)
            return respond({"data": result.objects(), "next": None}, fresh)
        limit = turn.limit
        if order and order.own_limit:
            limit = whole_number(values.pop("limit"), "limit", 1, MAX_PAGE)
        part = await self._pages.page(database, order, values, limit, turn.cursor)
        fresh = await self._fresh(query.tables, wish)
        result = await self._at(fresh.position, part.query, part.parameters)
        return respond({"data": rows_of(part, result), "next": part.next(result.rows)}, fresh)

    async def _at(self, position: int, query: str, values: dict[str, Any]) -> Result:
        """The result of a query that began when its tables were complete up to the position. All who ask the same of
        the same position at the same time share one run: it holds all that each of them was promised.
        """
        key = (position, query, tuple(sorted(values.items())))
        return await self._running.get(key, lambda: self._read(query, values))

    def _key(self, aggregate: str) -> str:
        if aggregate not in self._keys:
            raise NotFound(
                f"there is no aggregate {aggregate!r}; there are {', '.join(self._keys)}", rule="unknown-aggregate"
            )
        return self._keys[aggregate]

    async def _find(self, aggregate: str, row: str, asked: dict[str, str]) -> tuple[dict[str, Any], Freshness]:
        key = self._key(aggregate)
        if (wished := asked_of_past(self._domain, asked)) is not None:
            nothing_else(asked)
            return await self._find_past(aggregate, row, wished)
        wish = wish_of(self._domain, asked)
        nothing_else(asked)
        fresh = await self._fresh([aggregate], wish)
        columns = await self._columns.of(self._domain.projection_database, aggregate)
        query = f"SELECT {', '.join(columns)} FROM {aggregate} FINAL WHERE {key} = {{row:String}}"
        found = (await self._read(query, {"row": row})).objects()
        if not found:
            raise NotFound(f"there is no {row!r} in {aggregate}", rule="unknown-id")
        return found[0], fresh

    async def _find_past(self, aggregate: str, row: str, wished: Asked) -> tuple[dict[str, Any], Freshness]:
        moment = await self._moment(wished)
        assert self._past is not None
        seen = await self._past.row(self._domain, aggregate, row, moment)
        if seen is None:
            return await self._told(moment, wished.seconds, lambda then: then._find(aggregate, row, {}))
        if seen.values is None:
            raise NotFound(f"there was no {row!r} in {aggregate} at position {moment.position}", rule="unknown-id")
        columns = await self._columns.of(self._domain.projection_database, aggregate)
        return as_loaded(columns, seen.values), freshness_as_of(moment)

    async def _events(self, condition: str, order: str, limit: int, values: dict[str, Any]) -> list[dict[str, Any]]:
        query = statement("read_events", condition=condition, order=order, limit=limit)
        found = (await self._read(query, values)).objects()
        return [{**event, "data": msgspec.Raw(event["data"].encode())} for event in found]

    async def _read(self, query: str, values: dict[str, Any]) -> Result:
        try:
            return await self._reader.read(self._database, query, values, _PAGE_LIMITS)
        except QueryFailed as error:
            _log.error("a query of %s failed: %s", self._domain.name, error.words)
            raise

    @staticmethod
    def _span(asked: dict[str, str]) -> tuple[int, int]:
        after = whole_number(asked.pop("after", "0"), "after", 0, 2**63)
        return after, whole_number(asked.pop("limit", "100"), "limit", 1, MAX_LIMIT)
