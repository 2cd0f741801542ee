"""The HTTP routes of the read side, made for every domain from its aggregates and its named queries."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import msgspec
from litestar import Request, Response, get
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath
from litestar.response import ServerSentEvent, Stream

from schemas import Domain, NotFound
from sinks.query import documents
from sinks.query.answers import Answers, respond
from sinks.query.asking import Asking, asking_routes, form_of
from sinks.query.chosen import Chosen
from sinks.query.live import follow, respond_live, resumed
from sinks.query.named import NamedQuery, queries_of
from sinks.query.parameters import asked_of
from sinks.query.past import Past
from sinks.query.reader import Reader
from sinks.query.streaming import Streams
from sinks.tables import tables_of

Http = Request[Any, Any, Any]
_Answering = Callable[[], Answers]


def routes(
    domains: Mapping[str, Domain],
    clickhouse_reader: str,
    head: Callable[[Domain], int | None],
    ending: Callable[[], bool] = lambda: False,
    live: Callable[[Domain], Domain] = lambda domain: domain.live,
    past: Past | None = None,
) -> list[HTTPRouteHandler]:
    """Route handlers for all domains, by name. `head` gives a domain's last position, None when it is not known;
    `ending` says whether the server is about to stop, which ends live updates. `live` gives a domain in the build that
    is live now: each query asks once. Live updates end when another one becomes live, and clients come back. `past`
    looks up what was: rows, lists and queries take a parameter `as_of` then.

    `GET /api/<domain>/` lists the first aggregate, `/<id>` is one row of it, `/<id>/status` and `/<id>/log` its status
    and its events; `/events` are all events, `/aggregates/<name>` any aggregate, `/queries/<name>` named SQL.
    `/events/live` and `/queries/<name>/live` send what is new. `POST /api/sql` runs a statement of the caller's.
    """
    reader = Reader(clickhouse_reader)
    streams = Streams(reader)

    def asking(now: tuple[Domain, ...]) -> Asking:
        return Asking({domain.name: domain for domain in now}, reader, streams, head, past)

    made = asking_routes(Chosen(lambda: tuple(map(live, domains.values())), asking))
    for name, domain in domains.items():
        answers = Chosen(partial(live, domain), lambda now: Answers(now, reader, streams, head, past))
        root, tags, shown = f"/api/{name}", [name], domain.live
        queries = {query: each for version in domain.projections[::-1] for query, each in queries_of(version).items()}
        made += [*_rows(root, tags, answers, shown), *_events(root, tags, answers, shown, ending)]
        made += [*_aggregates(root, tags, answers, shown), *_queries(root, tags, answers, queries, ending)]
    return made


def _rows(root: str, tags: list[str], answers: _Answering, domain: Domain) -> list[HTTPRouteHandler]:
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
        return await answers().at(asked_of(request), lambda found, asked: found.rows(found.first, asked))

    @get(f"{root}/{{stream:str}}", tags=tags, summary="One row", operation_class=one)
    async def detail(request: Http, stream: FromPath[str]) -> Response[bytes]:
        found = answers()
        return await found.row(found.first, stream, asked_of(request))

    @get(f"{root}/{{stream:str}}/status", tags=tags, summary="Its status alone", operation_class=one)
    async def status(request: Http, stream: FromPath[str]) -> Response[bytes]:
        found = answers()
        return await found.status(found.first, stream, asked_of(request))

    return [listed, detail, status]


def _events(
    root: str, tags: list[str], answers: _Answering, domain: Domain, ending: Callable[[], bool]
) -> list[HTTPRouteHandler]:
    @get(
        f"{root}/{{stream:str}}/log",
        tags=tags,
        summary="The events of one stream, by version",
        operation_class=documents.log(),
    )
    async def log(request: Http, stream: FromPath[str]) -> Response[bytes]:
        return await answers().log(stream, asked_of(request))

    @get(
        f"{root}/events",
        tags=tags,
        summary="All events, by position; filter by `type` and `stream`",
        operation_class=documents.events([event.__name__ for event in domain.events]),
    )
    async def events(request: Http) -> Response[bytes]:
        return await answers().events(asked_of(request))

    @get(
        f"{root}/events/live",
        tags=tags,
        summary="Events as they become visible (server-sent events)",
        operation_class=documents.live([event.__name__ for event in domain.events]),
    )
    async def live(request: Http) -> ServerSentEvent:
        found = answers()
        news = found.live_events(resumed(request, asked_of(request)))
        return respond_live(follow(*news, lambda: ending() or answers() is not found))

    return [log, events, live]


def _aggregates(root: str, tags: list[str], answers: _Answering, domain: Domain) -> list[HTTPRouteHandler]:
    tables = tables_of(domain)

    @get(
        f"{root}/aggregates/{{aggregate:str}}",
        tags=tags,
        summary="List any aggregate",
        operation_class=documents.rows(tables, chosen=True),
    )
    async def listed(request: Http, aggregate: FromPath[str]) -> Response[bytes]:
        return await answers().at(asked_of(request), lambda found, asked: found.rows(aggregate, asked))

    @get(
        f"{root}/aggregates/{{aggregate:str}}/{{row:str}}",
        tags=tags,
        summary="One row of any aggregate",
        operation_class=documents.row(tables, chosen=True),
    )
    async def detail(request: Http, aggregate: FromPath[str], row: FromPath[str]) -> Response[bytes]:
        return await answers().row(aggregate, row, asked_of(request))

    return [listed, detail]


def _queries(
    root: str, tags: list[str], answers: _Answering, queries: dict[str, NamedQuery], ending: Callable[[], bool]
) -> list[HTTPRouteHandler]:
    @get(
        f"{root}/queries",
        tags=tags,
        summary="The named queries and their parameters",
        operation_class=documents.queries(),
    )
    async def listed() -> Response[bytes]:
        hidden = ("statement", "tables")
        there = answers().queries.values()
        shown = [{k: v for k, v in msgspec.to_builtins(q).items() if k not in hidden} for q in there]
        return respond({"data": shown})

    @get(f"{root}/queries/{{name:str}}", include_in_schema=False)
    async def unknown(name: FromPath[str]) -> Response[bytes]:
        answers().query(name)
        raise NotFound(f"the query {name!r} came with another build: restart the API", rule="unknown-query")

    return [
        listed,
        unknown,
        *(_query(root, tags, answers, query) for query in queries.values()),
        *(_live(root, tags, answers, query, ending) for query in queries.values()),
    ]


def _query(root: str, tags: list[str], answers: _Answering, query: NamedQuery) -> HTTPRouteHandler:
    @get(
        f"{root}/queries/{query.name}",
        tags=tags,
        summary=query.title,
        description=query.description,
        operation_class=documents.query(query),
    )
    async def named(request: Http) -> Response[bytes] | Stream:
        asked, form = asked_of(request), form_of(request)
        return await answers().at(asked, lambda found, more: found.named(found.query(query.name), more, form))

    return named


def _live(
    root: str, tags: list[str], answers: _Answering, query: NamedQuery, ending: Callable[[], bool]
) -> HTTPRouteHandler:
    @get(
        f"{root}/queries/{query.name}/live",
        tags=tags,
        summary=f"{query.title}, again whenever it changes (server-sent events)",
        operation_class=documents.live_query(query),
    )
    async def live(request: Http) -> ServerSentEvent:
        found = answers()
        news = found.live_answer(found.query(query.name), resumed(request, asked_of(request)))
        return respond_live(follow(*news, lambda: ending() or answers() is not found))

    return live
