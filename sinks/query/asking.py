"""`POST /api/sql`: ad-hoc statements, planned, waited for, and streamed in the form that the client accepts."""

from collections.abc import Callable, Mapping
from typing import Any

import msgspec
from litestar import Request, Response, get, post
from litestar.handlers import HTTPRouteHandler
from litestar.response import Stream

from schemas import Domain, Invalid, Malformed, encode
from sinks.query import documents
from sinks.query.adhoc import Planner, Sql, domain_of, the_callers
from sinks.query.formats import FORMATS, JSON, Format
from sinks.query.freshness import Freshness, Tables, headers_of, wish_of
from sinks.query.paging import DEFAULT_PAGE, Pages, ordered, rows_of
from sinks.query.parameters import asked_of, nothing_else
from sinks.query.past import Asked, Past, asked_of_past, freshness_as_of, told
from sinks.query.reader import Reader
from sinks.query.streaming import Streams

Http = Request[Any, Any, Any]
_MAX_BODY = 200_000
_decoder = msgspec.json.Decoder(Sql)


class Asking:
    """Answers ad-hoc statements over all domains, each in the build that it names."""

    def __init__(
        self,
        domains: Mapping[str, Domain],
        reader: Reader,
        streams: Streams,
        head: Callable[[Domain], int | None],
        past: Past | None,
    ) -> None:
        self._domains, self._streams, self._reader, self._past = domains, streams, reader, past
        self._pages = Pages(reader)
        self._planner = Planner(reader, domains.values())
        self._progress = {domain: Tables(domain, reader, head) for domain in domains.values()}

    async def answer(self, asked: Sql, wished: dict[str, str], form: Format) -> Response[bytes] | Stream:
        """The rows of the statement. Raises Invalid for a wrong one, Unavailable when it cannot be fresh enough."""
        domain = domain_of(asked, self._domains)
        if asked.paged and form is not JSON:
            raise Invalid("pages are answered in JSON only", rule="not-acceptable", field="Accept")
        seen = asked_of_past(domain, wished)
        if seen is None:
            fresh = await self._fresh(domain, asked, wished)
            return await self._answer(domain, domain.projection_database, asked, form, fresh)
        nothing_else(wished)
        return await self._past_answer(domain, seen, asked, form)

    async def _past_answer(self, domain: Domain, seen: Asked, asked: Sql, form: Format) -> Response[bytes] | Stream:
        if self._past is None:
            raise Invalid("this server does not look into the past", rule="unknown-parameter", field="as_of")
        moment = await self._past.moment(domain, seen.text)

        async def tell(edition: str) -> Response[bytes] | Stream:
            await self._planner.tables(domain, asked, edition)  # it may read nothing else
            return await self._answer(domain, edition, asked, form, {domain: freshness_as_of(moment)})

        return await told(self._past, domain, moment, seen.seconds, tell)

    async def _answer(
        self, domain: Domain, database: str, asked: Sql, form: Format, fresh: Mapping[Domain, Freshness]
    ) -> Response[bytes] | Stream:
        more = {"freshness": {each.name: found for each, found in fresh.items()}}
        headers = headers_of(fresh[domain]) if domain in fresh else {}
        if asked.paged:
            page = {**more, **await self._page(domain, database, asked)}
            return Response(encode(page), media_type=form.media_type, headers=headers)
        with the_callers(domain):
            return await self._streams.answer(
                form, database, asked.statement, asked.bound(), asked.settings, more, headers
            )

    async def _page(self, domain: Domain, database: str, asked: Sql) -> dict[str, Any]:
        limit = asked.limit or DEFAULT_PAGE
        with the_callers(domain):
            part = await self._pages.page(database, ordered(asked.statement), asked.bound(), limit, asked.cursor)
            settings = {**asked.settings, "max_result_rows": limit + 1}
            found = await self._reader.read(database, part.query, part.parameters, settings)
        return {"data": rows_of(part, found), "next": part.next(found.rows)}

    async def preview(self, asked: Sql) -> dict[str, Any]:
        """What the statement would read, without running it. Raises as `answer`."""
        domain = domain_of(asked, self._domains)
        await self._planner.tables(domain, asked)
        reads = await self._planner.preview(domain, asked)
        return {"reads": reads, "rows": sum(read.rows for read in reads)}

    async def tables(self) -> dict[str, Any]:
        """The tables that statements can read. Raises Unavailable when ClickHouse does not answer."""
        return {"data": await self._planner.described()}

    async def _fresh(self, domain: Domain, asked: Sql, wished: dict[str, str]) -> dict[Domain, Freshness]:
        """How fresh the tables are that the statement reads; a token is of the statement's own domain."""
        of_others = {name: value for name, value in wished.items() if name != "token"}
        if of_others.get("consistency") == "token":
            del of_others["consistency"]
        wishes = {each: wish_of(each, dict(of_others)) for each in self._progress}
        wishes[domain] = wish_of(domain, wished)
        nothing_else(wished)
        tables = await self._planner.tables(domain, asked)
        return {each: await self._progress[each].fresh(names, wishes[each]) for each, names in tables.items()}


def asking_routes(asking: Callable[[], Asking]) -> list[HTTPRouteHandler]:
    """`POST /api/sql`, `POST /api/sql/preview` and `GET /api/sql/tables`; `asking` is called once a request."""

    @post(
        "/api/sql",
        status_code=200,
        tags=["sql"],
        request_max_body_size=_MAX_BODY,
        summary="Run one SELECT of your own over the read models",
        operation_class=documents.sql(),
    )
    async def run(request: Http) -> Response[bytes] | Stream:
        return await asking().answer(_statement(await request.body()), asked_of(request), form_of(request))

    @post(
        "/api/sql/preview",
        status_code=200,
        tags=["sql"],
        request_max_body_size=_MAX_BODY,
        summary="What a SELECT would read, without running it",
        operation_class=documents.preview(),
    )
    async def preview(request: Http) -> Response[bytes]:
        return Response(
            msgspec.json.encode(await asking().preview(_statement(await request.body()))), media_type=JSON.media_type
        )

    @get(
        "/api/sql/tables",
        tags=["sql"],
        summary="The tables that a SELECT can read, with their columns",
        operation_class=documents.tables(),
    )
    async def tables() -> Response[bytes]:
        return Response(msgspec.json.encode(await asking().tables()), media_type=JSON.media_type)

    return [run, preview, tables]


def form_of(request: Http) -> Format:
    """The form that the client accepts; JSON when it says nothing. Raises Invalid when there is none of its forms."""
    chosen = request.accept.best_match(list(FORMATS), default=None)
    if chosen is None:
        raise Invalid(
            f"there is no answer in the form of {request.headers.get('accept')!r}; there are {', '.join(FORMATS)}",
            rule="not-acceptable",
            field="Accept",
        )
    return FORMATS[chosen]


def _statement(body: bytes) -> Sql:
    try:
        return _decoder.decode(body)
    except msgspec.ValidationError as error:
        detail, _, path = str(error).partition(" - at ")
        raise Invalid(detail, rule="invalid-request", field=path.strip("`").removeprefix("$.") or "sql") from error
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        raise Malformed(f"the body is not valid JSON: {error}", rule="malformed-json") from error
