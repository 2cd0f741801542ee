"""The benchmarks of the read side: filled tables are what events would have made, and every case has its figures."""

from collections.abc import Callable, Iterator
from urllib.parse import urlsplit

import clickhouse_driver
import pytest

from infra.bench.asked.filled import fill
from infra.bench.suites import latency, query
from schemas import current_decoder, discover
from sinks.query.named import queries_of
from tests.benchmarks.conftest import Lines


@pytest.fixture
def client(clickhouse: str) -> Iterator[clickhouse_driver.Client]:
    at = urlsplit(clickhouse)._replace(query="server_side_params=1").geturl()
    with clickhouse_driver.Client.from_url(at) as connected:
        yield connected


def test_filled_tables_agree_with_their_events(
    clickhouse: str, client: clickhouse_driver.Client, namespace: str
) -> None:
    domain = discover(namespace)["orders"]
    fill(clickhouse, domain, 4_000)
    client.execute(f"USE {domain.projection_database}")
    decode = current_decoder(domain)
    events = client.execute("SELECT position, type, stream, data FROM events ORDER BY position")
    assert [position for position, *_ in events] == list(range(1, 4_001))
    assert all(type(decode(data.encode())[0]).__name__ == kind for _, kind, _, data in events)
    answers = {name: client.execute(each.statement, each.bind([])) for name, each in queries_of(domain).items()}
    assert all(answers.values())
    standing = {(status, currency): (count, value) for status, currency, count, value, _ in answers["orders-by-status"]}
    sold = {currency: (orders, revenue) for currency, _, orders, _, revenue in answers["totals"]}
    assert sold == {currency: standing["delivered", currency] for currency in ("USD", "EUR")}
    ordered = sum(row[5] for row in answers["stock"])
    assert ordered == client.execute("SELECT sum(items) FROM orders FINAL WHERE status != 'cancelled'")[0][0]


def test_named_queries_are_measured_over_http_beside_a_bare_client(
    measured: Callable[..., Lines], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(query, "SIZE", 4_000)
    head, first, second = measured("query", "totals", "stock")
    assert (head["bench"], first["case"], second["case"]) == ("query", "totals", "stock")
    for line in (first, second):
        assert 0 < line["p50_ms"] <= line["p95_ms"]
        assert line["floor"] > 0
        assert line["peers"]["one client"] > 0


def test_a_command_is_followed_from_hop_to_hop(measured: Callable[..., Lines], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(latency, "RATE", 500)
    _, line = measured("latency", "command")
    assert 0 < line["p50_ms"] <= line["p95_ms"]
    assert line["floor"] > 0
    assert all(line[f"{hop}_ms"] >= 0 for hop in ("stored", "relayed", "folded", "loaded"))
    assert line["read_by_token_p50_ms"] > 0
    assert set(line["goals"]) == {"p50_ms", "p95_ms"}
