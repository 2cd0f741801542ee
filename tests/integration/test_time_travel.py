"""The past of a stream over HTTP: states, history and differences, straight from Postgres."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import httpx
import psycopg2
import pytest

from infra.api import application
from infra.config import Settings
from producers import PostgresEventStore
from producers.store import chains
from schemas import Domain, discover
from tests.architecture.source import ROOT
from tests.integration.command_server import served
from tests.integration.test_http_commands import PRICE, order

NOWHERE = "clickhouse://nobody@127.0.0.1:1/"


@pytest.fixture
def orders() -> Domain:
    return discover("travel")["orders"]


@pytest.fixture
def client(postgres: str) -> Iterator[httpx.Client]:
    """The whole API; ClickHouse and Kafka are not there, and not needed."""
    settings = Settings(
        namespace="travel",
        postgres=postgres,
        kafka="127.0.0.1:1",
        clickhouse=NOWHERE,
        clickhouse_reader=NOWHERE,
        domains="orders",
    )
    with served(application(settings)) as url, httpx.Client(base_url=url, timeout=30) as made:
        yield made


@pytest.fixture
def delivered(client: httpx.Client) -> httpx.Client:
    """The order o1 has gone its way; each step but the last was followed by one of another order."""
    client.post("/api/orders/", json=order()).raise_for_status()
    for number, step in enumerate(("pay", "ship", "deliver")):
        client.post("/api/orders/", json=order(f"other-{number}")).raise_for_status()
        body = {"pay": {"amount": PRICE}, "ship": {"carrier": "parcel"}, "deliver": {}}[step]
        client.post(f"/api/orders/o1/{step}", json=body).raise_for_status()
    return client


def got(client: httpx.Client, path: str, **parameters: Any) -> Any:
    answer = client.get(f"/api/orders/o1/{path}", params=parameters)
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_the_state_of_every_version_is_the_one_of_that_time(delivered: httpx.Client) -> None:
    seen = [got(delivered, "state", version=version) for version in (1, 2, 3, 4)]
    assert [s["state"]["status"] for s in seen] == ["placed", "paid", "shipped", "delivered"]
    assert [s["version"] for s in seen] == [1, 2, 3, 4]
    assert [s["position"] for s in seen] == [1, 3, 5, 7]
    assert {s["current_version"] for s in seen} == {4}
    assert got(delivered, "state") == seen[3]


def test_the_etag_of_a_state_is_what_a_command_takes_as_if_match(client: httpx.Client) -> None:
    client.post("/api/orders/", json=order()).raise_for_status()
    tag = client.get("/api/orders/o1/state").headers["etag"]
    assert tag == '"1"'
    headers = {"If-Match": tag}
    assert client.post("/api/orders/o1/pay", json={"amount": PRICE}, headers=headers).status_code == 200
    assert client.post("/api/orders/o1/cancel", json={"reason": "late"}, headers=headers).status_code == 412


def test_the_state_at_an_instant_counts_what_was_appended_by_then(delivered: httpx.Client) -> None:
    times = [datetime.fromisoformat(e["time"]) for e in got(delivered, "history")["data"]]
    just_before = timedelta(microseconds=1)
    for version, time in enumerate(times, 1):
        assert got(delivered, "state", at=time.isoformat())["version"] == version
        if version > 1:
            assert got(delivered, "state", at=(time - just_before).isoformat())["version"] == version - 1
    assert got(delivered, "state", at=(times[-1] + timedelta(days=1)).isoformat())["version"] == 4
    early = delivered.get("/api/orders/o1/state", params={"at": (times[0] - just_before).isoformat()})
    assert (early.status_code, early.json()["rule"]) == (404, "not-yet-begun")


def test_the_history_is_paged_by_version(delivered: httpx.Client, postgres: str, orders: Domain) -> None:
    store = PostgresEventStore(postgres, orders)
    stored = [event for event in store.read(0, 100) if event.stream == "o1"]
    store.close()
    first = got(delivered, "history", limit=3)
    rest = got(delivered, "history", limit=3, after=first["next"])
    assert (first["next"], rest["next"]) == (3, None)
    entries = first["data"] + rest["data"]
    assert [(e["version"], e["id"], e["type"], e["position"]) for e in entries] == [
        (e.version, e.id, e.type, e.position) for e in stored
    ]
    assert [datetime.fromisoformat(e["time"]) for e in entries] == [e.time for e in stored]
    assert entries[1]["data"]["amount"] == PRICE
    assert got(delivered, "history", after=4) == {"stream": "o1", "current_version": 4, "data": [], "next": None}


def test_the_difference_names_each_field_and_the_events_between(delivered: httpx.Client) -> None:
    found = got(delivered, "difference", **{"from": 1, "to": 3})
    assert (found["from"]["version"], found["to"]["version"]) == (1, 3)
    assert found["changes"][0] == {"path": "/status", "from": "placed", "to": "shipped"}
    assert {change["path"] for change in found["changes"]} == {"/status", "/at"}
    assert [event["type"] for event in found["events"]] == ["OrderPaid", "OrderShipped"]
    back = got(delivered, "difference", **{"from": 3, "to": 1})
    assert back["changes"][0] == {"path": "/status", "from": "shipped", "to": "placed"}
    assert back["events"] == found["events"]
    born = got(delivered, "difference", **{"from": 0, "to": 1})
    assert (born["from"]["state"], born["changes"][0]["to"]) == (None, born["to"]["state"])
    assert got(delivered, "difference", **{"from": 2, "to": 2})["changes"] == []


WRONG = [
    ("o9/state", 404, "unknown-stream", "stream", "'o9'"),
    ("o9/history", 404, "unknown-stream", "stream", "'o9'"),
    ("o9/difference?from=0&to=1", 404, "unknown-stream", "stream", "'o9'"),
    ("o1/state?version=5", 404, "unknown-version", "version", "current version is 4"),
    ("o1/difference?from=1&to=7", 404, "unknown-version", "version", "current version is 4"),
    ("o1/state?version=0", 422, "invalid-parameter", "version", ""),
    ("o1/state?version=x", 422, "invalid-parameter", "version", ""),
    ("o1/state?version=99999999999999999999", 422, "invalid-parameter", "version", ""),
    ("o1/state?at=yesterday", 422, "invalid-parameter", "at", ""),
    ("o1/state?at=2026-01-01T00:00:00", 422, "invalid-parameter", "at", "offset"),
    ("o1/state?at=2026-01-01T00:00:00Z&version=1", 422, "one-of-version-and-at", "at", ""),
    ("o1/difference?from=1", 422, "invalid-parameter", "to", ""),
    ("o1/difference?from=-1&to=1", 422, "invalid-parameter", "from", ""),
    ("o1/history?limit=100000", 422, "invalid-parameter", "limit", ""),
    ("o1/history?after=-1", 422, "invalid-parameter", "after", ""),
    ("o%00/state", 404, "unknown-stream", "stream", ""),
    ("o%ff/state", 404, "unknown-stream", "stream", ""),
    ("%F0%9F%8D%8E/state", 404, "unknown-stream", "stream", ""),
]


def test_what_does_not_exist_or_does_not_fit_is_said(delivered: httpx.Client) -> None:
    for path, status, rule, field, words in WRONG:
        answer = delivered.get(f"/api/orders/{path}")
        assert answer.status_code == status, answer.text
        assert answer.headers["content-type"] == "application/problem+json"
        problem = answer.json()
        assert (problem["rule"], problem["field"]) == (rule, field)
        assert words in problem["detail"]


def test_the_routes_are_described(client: httpx.Client) -> None:
    paths = client.get("/schema/openapi.json").json()["paths"]
    parameters = {
        path: [p["name"] for p in paths[f"/api/orders/{{stream}}/{path}"]["get"]["parameters"]]
        for path in ("state", "history", "difference")
    }
    assert {path: sorted(names) for path, names in parameters.items()} == {
        "state": ["at", "stream", "version"],
        "history": ["after", "limit", "stream"],
        "difference": ["from", "stream", "to"],
    }
    assert {"200", "404", "422"} <= set(paths["/api/orders/{stream}/state"]["get"]["responses"])


def test_reading_in_many_small_pages_gives_the_same(delivered: httpx.Client, monkeypatch: pytest.MonkeyPatch) -> None:
    paths = ["state", "state?version=2", "history", "history?after=2", "difference?from=1&to=4"]
    whole = [delivered.get(f"/api/orders/o1/{path}").json() for path in paths]
    monkeypatch.setattr(chains, "_STEPS", 1)
    monkeypatch.setattr(chains, "_PAGE_BYTES", 1)
    assert [delivered.get(f"/api/orders/o1/{path}").json() for path in paths] == whole


@pytest.mark.parametrize(
    "damage",
    [
        "DELETE FROM events WHERE stream = 'o1' AND version = 2",
        "UPDATE events SET stream = 'other-0' WHERE stream = 'o1' AND version = 2",
        "UPDATE events SET previous = position WHERE stream = 'o1' AND version = 3",
        "UPDATE events SET previous = 1 WHERE stream = 'o1' AND version = 4",
    ],
)
def test_a_damaged_chain_is_an_error_that_names_the_version(
    delivered: httpx.Client, postgres: str, damage: str
) -> None:
    connection = psycopg2.connect(postgres)
    with connection, connection.cursor() as cursor:
        cursor.execute("SET session_replication_role = replica")
        cursor.execute(damage)
    connection.close()
    answer = delivered.get("/api/orders/o1/state")
    assert (answer.status_code, answer.json()["rule"]) == (500, "damaged-stream")
    assert "stream o1" in answer.json()["detail"]


def test_an_event_that_the_code_cannot_read_is_named(delivered: httpx.Client, postgres: str) -> None:
    connection = psycopg2.connect(postgres)
    with connection, connection.cursor() as cursor:
        cursor.execute("SET session_replication_role = replica")
        cursor.execute("UPDATE events SET data = '{\"type\":\"OrderEaten\"}' WHERE stream = 'o1' AND version = 3")
    connection.close()
    answer = delivered.get("/api/orders/o1/state")
    assert (answer.status_code, answer.json()["rule"]) == (500, "unreadable-stream")
    assert "version 3" in answer.json()["detail"]
    assert got(delivered, "state", version=2)["state"]["status"] == "paid"


def told(postgres: str, *arguments: str) -> Any:
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("HEADRACE_")},
        "HEADRACE_NAMESPACE": "travel",
        "HEADRACE_POSTGRES": postgres,
        "HEADRACE_KAFKA": "127.0.0.1:1",
        "HEADRACE_CLICKHOUSE": NOWHERE,
        "HEADRACE_CLICKHOUSE_READER": NOWHERE,
    }
    return subprocess.run(
        [sys.executable, "-m", "infra.cli", "stream", *arguments],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_the_command_line_tells_the_same(delivered: httpx.Client, postgres: str) -> None:
    instant = got(delivered, "state", version=2)["time"]
    for arguments, path, parameters in (
        ([], "state", {}),
        (["--version", "3"], "state", {"version": 3}),
        (["--at", instant], "state", {"version": 2}),
        (["--diff", "1", "4"], "difference", {"from": 1, "to": 4}),
    ):
        assert json.loads(told(postgres, "orders", "o1", "--json", *arguments).stdout) == got(
            delivered, path, **parameters
        )
    lines = told(postgres, "orders", "o1", "--history", "--json").stdout.splitlines()
    assert [json.loads(line) for line in lines] == got(delivered, "history")["data"]
    shown = told(postgres, "orders", "o1", "--diff", "1", "4").stdout
    assert all(word in shown for word in ("/status", '"placed"', '"delivered"', "OrderShipped"))


@pytest.mark.usefixtures("delivered")
def test_the_command_line_says_what_is_wrong(postgres: str) -> None:
    for arguments, code, words in (
        (["orders", "o9"], 1, "there is no stream 'o9'"),
        (["orders", "o1", "--version", "7"], 1, "current version is 4"),
        (["trips", "o1"], 1, "there is no domain 'trips'"),
        (["orders", "o1", "--at", "2026-01-01T12:00:00"], 2, "needs an offset"),
        (["orders", "o1", "--version", "1", "--diff", "1", "2"], 2, "give one of"),
    ):
        done = told(postgres, *arguments)
        assert (done.returncode, done.stdout) == (code, "")
        assert words in done.stderr
