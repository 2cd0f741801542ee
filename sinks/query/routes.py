"""The HTTP routes of the read side, made for every domain from its aggregates and its named queries."""

from collections.abc import Callable, Mapping
from typing import Any

import msgspec
from litestar import Request, Response, get
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath

from schemas import Domain, Invalid, NotFound
from sinks.query import documents
from sinks.query.answers import Answers, respond
from sinks.query.named import NamedQuery, queries_of
from sinks.query.reader import Reader
from sinks.tables import tables_of

Http = Request[Any, Any, Any]


def routes(
    domains: Mapping[str, Domain], clickhouse_reader: str, head: Callable[[Domain], int | None]
) -> list[HTTPRouteHandler]:
    """Route handlers for all domains, by name. `head` gives a domain's last position, None when it is not known.

    `GET /api/<domain>/` lists the first aggregate, `/<id>` is one row of it, `/<id>/status` and `/<id>/log` its status
    and its events; `/events` are all events, `/aggregates/<name>` any aggregate, `/queries/<name>` named SQL.
    """
    reader = Reader(clickhouse_reader)
    made: list[HTTPRouteHandler] = []
    for name, domain in domains.items():
        answers = Answers(domain, reader, head)
        root, tags = f"/api/{name}", [name]
        made += [*_rows(root, tags, answers, domain), *_events(root, tags, answers, domain)]
        made += [*_aggregates(root, tags, answers, domain), *_queries(root, tags, answers, queries_of(domain))]
    return made


def _asked(request: Http) -> dict[str, str]:
    """The parameters of a query string. Raises Invalid for one that is given twice."""
    asked: dict[str, str] = {}
    for name, value in request.query_params.multi_items():
        if name in asked:
            raise Invalid(f"parameter {name!r} is given twice", rule="invalid-parameter", field=name)
        asked[name] = value
    return asked


def _rows(root: str, tags: list[str], answers: Answers, domain: Domain) -> list[HTTPRouteHandler]:
    first = domain.aggregates[0].name
    table = [table for table in tables_of(domain) if table.aggregate == first]
    one = documents.row(table)

    @get(
        f"{root}/",
        tags=tags,
        summary=f"List {first}: filter by column (`status=paid`, `total__gte=10`), sort, page",
        operation_class=documents.rows(table),
    )
    async def listed(request: Http) -> Response[bytes]:
        return await answers.rows(first, _asked(request))

    @get(f"{root}/{{stream:str}}", tags=tags, summary="One row", operation_class=one)
    async def detail(request: Http, stream: FromPath[str]) -> Response[bytes]:
        return await answers.row(first, stream, _asked(request))

    @get(f"{root}/{{stream:str}}/status", tags=tags, summary="Its status alone", operation_class=one)
    async def status(request: Http, stream: FromPath[str]) -> Response[bytes]:
        return await answers.status(first, stream, _asked(request))

    return [listed, detail, status]


def _events(root: str, tags: list[str], answers: Answers, domain: Domain) -> list[HTTPRouteHandler]:
    @get(
        f"{root}/{{stream:str}}/log",
        tags=tags,
        summary="The events of one stream, by version",
        operation_class=documents.log(),
    )
    async def log(request: Http, stream: FromPath[str]) -> Response[bytes]:
        return await answers.log(stream, _asked(request))

    @get(
        f"{root}/events",
        tags=tags,
        summary="All events, by position; filter by `type` and `stream`",
        operation_class=documents.events([event.__name__ for event in domain.events]),
    )
    async def events(request: Http) -> Response[bytes]:
        return await answers.events(_asked(request))

    return [log, events]


def _aggregates(root: str, tags: list[str], answers: Answers, domain: Domain) -> list[HTTPRouteHandler]:
    tables = tables_of(domain)

    @get(
        f"{root}/aggregates/{{aggregate:str}}",
        tags=tags,
        summary="List any aggregate",
        operation_class=documents.rows(tables, chosen=True),
    )
    async def listed(request: Http, aggregate: FromPath[str]) -> Response[bytes]:
        return await answers.rows(aggregate, _asked(request))

    @get(
        f"{root}/aggregates/{{aggregate:str}}/{{row:str}}",
        tags=tags,
        summary="One row of any aggregate",
        operation_class=documents.row(tables, chosen=True),
    )
    async def detail(request: Http, aggregate: FromPath[str], row: FromPath[str]) -> Response[bytes]:
        return await answers.row(aggregate, row, _asked(request))

    return [listed, detail]


def _queries(root: str, tags: list[str], answers: Answers, queries: dict[str, NamedQuery]) -> list[HTTPRouteHandler]:
    @get(
        f"{root}/queries",
        tags=tags,
        summary="The named queries and their parameters",
        operation_class=documents.queries(),
    )
    async def listed() -> Response[bytes]:
        hidden = ("statement", "tables")
        shown = [{k: v for k, v in msgspec.to_builtins(q).items() if k not in hidden} for q in queries.values()]
        return respond({"data": shown})

    @get(f"{root}/queries/{{name:str}}", include_in_schema=False)
    async def unknown(name: FromPath[str]) -> Response[bytes]:
        raise NotFound(f"there is no query {name!r}; there are {', '.join(queries)}", rule="unknown-query")

    return [listed, unknown, *(_query(root, tags, answers, query) for query in queries.values())]


def _query(root: str, tags: list[str], answers: Answers, query: NamedQuery) -> HTTPRouteHandler:
    @get(
        f"{root}/queries/{query.name}",
        tags=tags,
        summary=query.title,
        description=query.description,
        operation_class=documents.query(query),
    )
    async def named(request: Http) -> Response[bytes]:
        return await answers.named(query, _asked(request))

    return named
