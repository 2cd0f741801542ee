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

EXAMPLES = 10
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
PLACED = {
    "order_id": "o-1",
    "customer_id": "c-1",
    "lines": [{"sku": None, "quantity": 1, "price": {"amount": "1.00", "currency": "EUR"}}],
    "total": {"amount": "1.00", "currency": "EUR"},
}

schemathesis.openapi.format("decimal", strategies.decimals(0, 100, places=2).map(str))


@schemathesis.serializer("application/x-ndjson")
def _lines(_: Any, value: Any) -> Any:
    return value if isinstance(value, bytes) else str(value).encode(errors="replace")


@pytest.fixture
def url(pipeline: Pipeline) -> Iterator[str]:
    """The API over the whole pipeline, with one order in all tables."""
    pipeline.start("api", "relay", "worker", "sink")
    made = httpx.post(f"{pipeline.url}/api/orders/", json=PLACED, timeout=30)
    token = {"token": made.json()["token"], "timeout": 20}
    until(lambda: httpx.get(f"{pipeline.url}/api/orders/o-1", params=token, timeout=30).status_code == 200)
    yield pipeline.url
    pipeline.stop()


def test_no_request_made_from_the_document_makes_the_server_fail(url: str) -> None:
    document = schemathesis.openapi.from_url(f"{url}/schema/openapi.json")
    statuses: Counter[int] = Counter()
    wrong: dict[str, list[str]] = {}
    for found in document.get_all_operations():
        assert isinstance(found, Ok)
        operation = found.ok()
        if operation.path.endswith("/live"):
            continue  # an answer without end; tests/integration/test_live.py has these
        for mode in MODES:
            try:
                _try(operation.as_strategy(generation_mode=mode), statuses)
            except Unsatisfiable:
                assert mode is GenerationMode.NEGATIVE, f"nothing can be made for {operation.label}"
            except BaseExceptionGroup as error:
                wrong[f"{operation.label}, {mode.value}"] = traceback.format_exception(error)
    assert wrong == {}
    assert {200, 400, 404, 409, 412, 422} <= statuses.keys(), "what was made reaches all kinds of answers"


def _try(made: strategies.SearchStrategy[schemathesis.Case[Any]], statuses: Counter[int]) -> None:
    """Send requests and check the answers; every other one is about the order that is there."""

    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        database=None,
        derandomize=True,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=made, known=strategies.booleans())
    def send(case: schemathesis.Case[Any], known: bool) -> None:
        if known and "stream" in case.path_parameters:
            case.path_parameters["stream"] = "o-1"
        answer = case.call(timeout=60)
        statuses[answer.status_code] += 1
        unmet = answer.status_code == 503 and answer.json()["type"] in UNMET
        if unmet:
            assert WISHES & (case.query or {}).keys(), "only who asks for fresh data may be told that it is not there"
            [seconds] = answer.headers["retry-after"]
            assert int(seconds) >= 1
        case.validate_response(answer, checks=CONFORMANCE[1:] if unmet else CONFORMANCE)

    send()
