"""The answers to queries: freshness first, then the rows, so that an answer is never older than it says."""

from collections.abc import Callable
from typing import Any

import msgspec
from litestar import Response

from schemas import Domain, Invalid, NotFound
from sinks.query.freshness import Freshness, Tables, wish_of
from sinks.query.named import NamedQuery
from sinks.query.reader import Reader
from sinks.query.tables import MAX_LIMIT, Columns, page, whole_number
from sinks.sql import statement
from sinks.tables import tables_of

_encode = msgspec.json.Encoder(decimal_format="string").encode


def respond(body: dict[str, Any], freshness: Freshness | None = None) -> Response[bytes]:
    """A JSON answer that says how fresh it is."""
    headers = {}
    if freshness is not None:
        body["freshness"] = freshness
        headers["Headrace-Position"] = str(freshness.position)
    return Response(_encode(body), media_type="application/json", headers=headers)


class Answers:
    """Answers queries of one domain."""

    def __init__(self, domain: Domain, reader: Reader, head: Callable[[Domain], int | None]) -> None:
        self._domain, self._reader = domain, reader
        self._progress = Tables(domain, reader, head)
        self._columns = Columns(reader)
        self._keys = {table.aggregate: table.key for table in tables_of(domain)}

    async def rows(self, aggregate: str, asked: dict[str, str]) -> Response[bytes]:
        """A page of an aggregate's rows. Raises NotFound for an unknown aggregate, Invalid for a bad parameter."""
        key, wish = self._key(aggregate), wish_of(self._domain, asked)
        columns = await self._columns.of(self._domain.projection_database, aggregate)
        part = page(aggregate, columns, key, asked.items())
        fresh = await self._progress.fresh([aggregate], wish)
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
        _nothing_else(asked)
        fresh = await self._progress.fresh(["events"], wish)
        condition = "stream = {stream:String} AND version > {after:UInt64}"
        events = await self._events(condition, "version", limit, {"stream": stream, "after": after})
        if not events and not after:
            raise NotFound(f"there is no {stream!r}", rule="unknown-stream")
        return respond({"data": events, "next": events[-1]["version"] if len(events) == limit else None}, fresh)

    async def events(self, asked: dict[str, str]) -> Response[bytes]:
        """Events after a position, of one type or stream if asked."""
        wish, (after, limit) = wish_of(self._domain, asked), self._span(asked)
        conditions, values = ["position > {after:UInt64}"], {"after": str(after)}
        for name in ("type", "stream"):
            if name in asked:
                values[name] = asked.pop(name)
                conditions.append(f"{name} = {{{name}:String}}")
        if "type" in values and values["type"] not in (known := [event.__name__ for event in self._domain.events]):
            raise Invalid(f"type must be one of {', '.join(known)}", rule="unknown-event", field="type")
        _nothing_else(asked)
        fresh = await self._progress.fresh(["events"], wish)
        events = await self._events(" AND ".join(conditions), "position", limit, values)
        return respond({"data": events, "next": events[-1]["position"] if len(events) == limit else None}, fresh)

    async def named(self, query: NamedQuery, asked: dict[str, str]) -> Response[bytes]:
        """The rows of a named query. Raises Invalid for a bad parameter."""
        wish = wish_of(self._domain, asked)
        values = query.bind(asked.items())
        fresh = await self._progress.fresh(query.tables, wish)
        return respond({"data": (await self._read(query.statement, values)).objects()}, fresh)

    def _key(self, aggregate: str) -> str:
        if aggregate not in self._keys:
            raise NotFound(
                f"there is no aggregate {aggregate!r}; there are {', '.join(self._keys)}", rule="unknown-aggregate"
            )
        return self._keys[aggregate]

    async def _find(self, aggregate: str, row: str, asked: dict[str, str]) -> tuple[dict[str, Any], Freshness]:
        key, wish = self._key(aggregate), wish_of(self._domain, asked)
        _nothing_else(asked)
        fresh = await self._progress.fresh([aggregate], wish)
        columns = await self._columns.of(self._domain.projection_database, aggregate)
        query = f"SELECT {', '.join(columns)} FROM {aggregate} FINAL WHERE {key} = {{row:String}}"
        found = (await self._read(query, {"row": row})).objects()
        if not found:
            raise NotFound(f"there is no {row!r} in {aggregate}", rule="unknown-id")
        return found[0], fresh

    async def _events(self, condition: str, order: str, limit: int, values: dict[str, Any]) -> list[dict[str, Any]]:
        query = statement("read_events", condition=condition, order=order, limit=limit)
        found = (await self._read(query, values)).objects()
        return [{**event, "data": msgspec.Raw(event["data"].encode())} for event in found]

    async def _read(self, query: str, values: dict[str, Any]) -> Any:
        return await self._reader.read(self._domain.projection_database, query, values)

    @staticmethod
    def _span(asked: dict[str, str]) -> tuple[int, int]:
        after = whole_number(asked.pop("after", "0"), "after", 0, 2**63)
        return after, whole_number(asked.pop("limit", "100"), "limit", 1, MAX_LIMIT)


def _nothing_else(asked: dict[str, str]) -> None:
    for name in asked:
        raise Invalid(f"there is no parameter {name!r} here", rule="unknown-parameter", field=name)
