"""The OpenAPI document: nothing made from it, valid or not, makes the server fail or answer as it does not say."""

import traceback
from collections import Counter
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings, strategies
from hypothesis.errors import Unsatisfiable
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.core.result import Ok
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from tests.pipeline import Pipeline, until

EXAMPLES, OF_OTHERS = 10, 3
MODES = (GenerationMode.POSITIVE, GenerationMode.NEGATIVE)
CONFORMANCE = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]
# The refusals above 499 that are the caller's wish: it said how fresh the answer must be, and how long it would wait.
UNMET = {f"urn:headrace:problem:{rule}" for rule in ("not-yet-visible", "too-stale", "being-made")}
WISHES = {"as_of", "consistency", "token", "max_staleness"}
EURO = {"amount": "1.00", "currency": "EUR"}
TIMES = ("2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z")
LEG = {"origin": "BER", "destination": "PAR", "departs_at": TIMES[0], "arrives_at": TIMES[1]}
KNOWN = "k-1"
AUTHOR = {"user_id": "u-1", "handle": "ada", "name": "Ada"}
# The command that begins the known stream of each domain; its first field names the stream.
BEGINNINGS: dict[str, dict[str, Any]] = {
    "banking": {"account_id": KNOWN, "holder_id": "h-1", "currency": "EUR"},
    "deliveries": {"order_id": KNOWN, "customer_id": "c-1", "country": "DE"},
    "iot": {"sensor_id": KNOWN, "site": "roof", "measure": "temperature", "interval": 3600},
    "logistics": {"shipment_id": KNOWN, "customer_id": "c-1", "weight": 1, "legs": [LEG]},
    "orders": {
        "order_id": KNOWN,
        "customer_id": "c-1",
        "lines": [{"sku": None, "quantity": 1, "price": EURO}],
        "total": EURO,
    },
    "payments": {"order_id": KNOWN, "customer_id": "c-1", "amount": EURO, "due_at": TIMES[1], "at": TIMES[0]},
    "social": {"post_id": KNOWN, "author_id": "u-1", "text": "hello"},
    "trading": {"instrument_id": KNOWN, "currency": "EUR", "decimals": 2},
}

schemathesis.openapi.format("decimal", strategies.decimals(0, 100, places=2).map(str))


@schemathesis.serializer("application/x-ndjson")
def _lines(_: Any, value: Any) -> Any:
    return value if isinstance(value, bytes) else str(value).encode(errors="replace")


@pytest.fixture
def orders(pipeline: Pipeline) -> Iterator[str]:
    """The API over the whole pipeline of the orders, with one order in all tables."""
    pipeline.start("api", "relay", "worker", "sink")
    _begin(pipeline.url, "orders", KNOWN)
    yield pipeline.url
    pipeline.stop()


@pytest.fixture
def everything(pipeline: Pipeline) -> Iterator[str]:
    """The API of all domains, with one stream in each, whose event is loaded.

    Without workers: the tables of the present stay empty, and those as of a position get their rows all the same.
    """
    pipeline.settings["HEADRACE_DOMAINS"] = ""
    pipeline.prepare()
    pipeline.start("api", "relay", "sink")
    httpx.post(f"{pipeline.url}/api/social/user:u-1/register-user", json=AUTHOR, timeout=30).raise_for_status()
    for name in BEGINNINGS:
        _begin(pipeline.url, name, "events")
    yield pipeline.url
    pipeline.stop()


def _begin(url: str, domain: str, shown: str) -> None:
    """Make the known stream of a domain, and wait until it is to be seen where it is shown."""
    made = httpx.post(f"{url}/api/{domain}/", json=BEGINNINGS[domain], timeout=30)
    assert made.status_code == 201, made.text
    asked = {"token": made.json()["token"], "timeout": "20"}
    until(lambda: httpx.get(f"{url}/api/{domain}/{shown}", params=asked, timeout=30).status_code == 200)


def test_no_request_made_from_the_document_makes_the_server_fail(orders: str) -> None:
    statuses = _conform(orders, EXAMPLES)
    assert {200, 400, 404, 409, 412, 422} <= statuses.keys(), "what was made reaches all kinds of answers"


def test_nor_does_one_made_from_what_it_says_of_the_other_domains(everything: str) -> None:
    statuses = _conform(everything, OF_OTHERS, without=("/api/orders",))
    assert {200, 400, 404, 409, 422} <= statuses.keys(), "what was made reaches all kinds of answers"


def _conform(url: str, examples: int, without: tuple[str, ...] = ()) -> Counter[int]:
    """Try all operations but those below some paths; answers how often each status came."""
    document = schemathesis.openapi.from_url(f"{url}/schema/openapi.json")
    statuses: Counter[int] = Counter()
    wrong: dict[str, list[str]] = {}
    for found in document.get_all_operations():
        assert isinstance(found, Ok)
        operation = found.ok()
        if operation.path.endswith("/live") or operation.path.startswith(without):
            continue  # live: an answer without end; tests/integration/test_live.py has these
        for mode in MODES:
            try:
                _try(operation.as_strategy(generation_mode=mode), statuses, examples)
            except Unsatisfiable:
                assert mode is GenerationMode.NEGATIVE, f"nothing can be made for {operation.label}"
            except BaseExceptionGroup as error:
                wrong[f"{operation.label}, {mode.value}"] = traceback.format_exception(error)
    assert wrong == {}
    return statuses


def _try(made: strategies.SearchStrategy[schemathesis.Case[Any]], statuses: Counter[int], examples: int) -> None:
    """Send requests and check the answers; every other one is about the stream that is there."""

    @settings(
        max_examples=examples,
        deadline=None,
        database=None,
        derandomize=True,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=made, known=strategies.booleans())
    def send(case: schemathesis.Case[Any], known: bool) -> None:
        if known:
            _about_the_known(case)
        answer = case.call(timeout=60)
        statuses[answer.status_code] += 1
        unmet = answer.status_code == 503 and answer.json()["type"] in UNMET
        if unmet:
            assert WISHES & (case.query or {}).keys(), "only who asks for fresh data may be told that it is not there"
            [seconds] = answer.headers["retry-after"]
            assert int(seconds) >= 1
        case.validate_response(answer, checks=CONFORMANCE[1:] if unmet else CONFORMANCE)

    send()


def _about_the_known(case: schemathesis.Case[Any]) -> None:
    """Let a request be about the stream that its domain has."""
    if "stream" not in case.path_parameters:
        return
    case.path_parameters["stream"] = KNOWN
    named = next(iter(BEGINNINGS[case.operation.path.split("/")[2]]))
    if isinstance(case.body, dict) and named in case.body:
        case.body[named] = KNOWN
