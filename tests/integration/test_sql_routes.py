"""Ad-hoc SQL over HTTP, and the forms of answers, on the real engine over tables that the test fills."""

import csv
import io
import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pyarrow
import pyarrow.ipc
import pyarrow.parquet
import pytest
from litestar import Litestar
from litestar.testing import TestClient

from producers.http import EXCEPTION_HANDLERS
from schemas import discover
from sinks.query import routes
from tests.integration.filled import AT, Shop

NDJSON, CSV = "application/x-ndjson", "text/csv"
ARROW, PARQUET = "application/vnd.apache.arrow.stream", "application/vnd.apache.parquet"


@pytest.fixture
def filled(shop: Shop) -> Shop:
    for number in range(5):
        shop.order(f"o-{number}", f"{number}.50", paid_at=AT if number % 2 else None)
    shop.order("o-4", "9.99", status="paid")
    shop.order("gone")
    shop.order("gone", is_deleted=1)
    shop.customer("c-1", USD="12.30")
    for table in ("orders", "customers"):
        shop.complete(shop.topic(table), 9)
    shop.head = 9
    return shop


def run(shop: Shop, sql: str, status: int = 200, *, accept: str = "*/*", query: str = "", **body: Any) -> Any:
    """The answer to a statement."""
    answer = shop.http.post(f"/api/sql{query}", json={"sql": sql, **body}, headers={"Accept": accept})
    assert answer.status_code == status, answer.text[:500]
    assert "Stack trace" not in answer.text
    return answer


def test_a_statement_reads_the_last_version_of_each_row(filled: Shop) -> None:
    answer = run(filled, "SELECT order_id, total, status FROM orders ORDER BY order_id;").json()
    assert [row["order_id"] for row in answer["data"]] == [f"o-{number}" for number in range(5)]
    assert answer["data"][4] == {"order_id": "o-4", "total": "9.99", "status": "paid"}
    assert answer["freshness"]["orders"]["position"] == 9


def test_parameters_are_bound_and_never_part_of_the_statement(filled: Shop) -> None:
    sql = "SELECT order_id FROM orders WHERE order_id = {id:String} AND total > {least:Decimal(18, 2)}"
    assert run(filled, sql, parameters={"id": "o-3", "least": 1}).json()["data"] == [{"order_id": "o-3"}]
    assert run(filled, sql, parameters={"id": "' OR 1=1 --", "least": 0}).json()["data"] == []
    for parameters, field in (({"id": "o-3"}, "least"), ({"id": "a", "least": "x"}, "least")):
        assert run(filled, sql, 422, parameters=parameters).json()["field"] == field
    assert run(filled, "SELECT 1", 422, parameters={"id": 1}).json()["rule"] == "unknown-parameter"


ATTEMPTS = (
    "DROP TABLE orders",
    "INSERT INTO orders SELECT * FROM orders",
    "SELECT 1; DROP TABLE orders",
    "SELECT * FROM system.tables",
    "SELECT * FROM url('http://localhost:1', 'CSV', 'a String')",
    "SELECT * FROM file('/etc/passwd', 'LineAsString')",
    "SELECT * FROM merge(currentDatabase(), '.*')",
    "SELECT * FROM orders SETTINGS readonly = 0",
    "SELECT * FROM orders INTO OUTFILE '/tmp/x'",
    "SELECT file('/etc/passwd')",
    "SELECT * FROM clusterAllReplicas('default', system.one)",
    "SELECT 1 /* ; */ ; /* */ DROP TABLE orders -- ",
    "SELECT 1 UNION ALL SELECT count() FROM system.users",
    "SELECT * FROM orders WHERE order_id IN (SELECT name FROM system.tables)",
    "SELECT (SELECT count() FROM system.settings)",
    "WITH secrets AS (SELECT * FROM system.query_log) SELECT * FROM secrets",
    "SELECT * FROM remote('localhost', 'system', 'tables')",
    "SELECT * FROM s3('http://localhost:1/x', 'CSV')",
    "SELECT * FROM mysql('localhost:1', 'd', 't', 'u', 'p')",
    "SELECT * FROM executable('id', 'TSV', 'x String')",
    "SELECT * FROM generateRandom('x String')",
    "SELECT * FROM information_schema.tables",
    "SELECT * FROM orders SETTINGS max_result_rows = 0, max_execution_time = 0",
    "SELECT 1) UNION ALL (SELECT count() FROM system.tables",
    "SELECT * FROM orders INTO/**/OUTFILE '/tmp/x' TRUNCATE",
    "SET readonly = 0",
    "KILL QUERY WHERE 1",
    "SYSTEM SHUTDOWN",
    "CREATE TABLE x AS orders",
    "ALTER TABLE orders DELETE WHERE 1",
    "OPTIMIZE TABLE orders",
    "GRANT ALL ON *.* TO reader",
    "ATTACH TABLE x FROM '/etc'",
    "DESCRIBE TABLE url('http://localhost:1', 'CSV')",
    "SELECT * FROM {table:Identifier}",
    "SELECT dictGet('d', 'x', 1)",
    "SELECT * FROM dictionary('d')",
    "SELECT * FROM viewIfPermitted(SELECT 1 ELSE null('x UInt8'))",
    "SELECT * FROM cluster('default', system, one)",
    "EXPLAIN SELECT 1",
    "SHOW TABLES",
    ";",
    "SELECT nothing FROM orders",
    "SELECT * FROM nowhere",
    "SELEC 1",
)


def test_what_is_no_plain_read_of_the_domains_tables_is_refused(filled: Shop) -> None:
    for sql in ATTEMPTS:
        for limit in (None, 1):
            problem = run(filled, sql, 422, limit=limit).json()
            assert problem["field"] == "sql" or problem["rule"] in ("unknown-table", "missing-parameter"), (
                sql,
                problem,
            )
            assert problem["detail"]
    assert len(run(filled, "SELECT * FROM orders").json()["data"]) == 5


def test_pages_meet_each_row_once_while_rows_come_in(filled: Shop) -> None:
    sql = "SELECT order_id, total FROM orders ORDER BY total DESC"
    first = run(filled, sql, limit=2).json()
    assert [row["order_id"] for row in first["data"]] == ["o-4", "o-3"]
    filled.order("o-9", "50.00")
    filled.order("o-8", "2.20")
    second = run(filled, sql, limit=3, cursor=first["next"]).json()
    last = run(filled, sql, cursor=second["next"]).json()
    assert [row["order_id"] for row in second["data"] + last["data"]] == ["o-2", "o-8", "o-1", "o-0"]
    assert last["next"] is None
    assert run(filled, f"{sql} LIMIT 3", limit=2).json()["next"], "a page of what the statement limits"
    for body, other in (({"cursor": "x"}, sql), ({"cursor": first["next"]}, sql.replace("DESC", "ASC"))):
        assert run(filled, other, 422, **body).json()["rule"] == "invalid-cursor"
    assert run(filled, "SELECT 1 AS one, 2 AS two -- )", limit=1).json()["data"] == [{"one": 1, "two": 2}]
    assert run(filled, sql, 422, accept=CSV, limit=1).json()["rule"] == "not-acceptable"
    assert run(filled, "SELECT * FROM orders ORDER BY length(order_id)", 422, limit=1).json()["rule"] == "no-pages"


def test_named_queries_come_in_pages(filled: Shop) -> None:
    for customer in ("c-2", "c-3", "c-4"):
        filled.customer(customer, USD="12.30")
    answer = filled.ask("/queries/top-customers", limit="1")
    met = answer["data"]
    while answer["next"]:
        answer = filled.ask("/queries/top-customers", limit="1", cursor=answer["next"])
        met += answer["data"]
    assert [row["customer_id"] for row in met] == ["c-1", "c-2", "c-3", "c-4"]
    page = filled.ask("/queries/orders-by-status", limit="1")
    assert (len(page["data"]), page["next"] is None) == (1, False)
    assert len(filled.ask("/queries/orders-by-status", cursor=page["next"])["data"]) == 1
    assert filled.ask("/queries/orders-by-status")["next"] is None
    for path in ("/queries/totals", "/queries/rfm"):
        assert filled.ask(path, 422, cursor=page["next"])["rule"] == "invalid-cursor"


def test_before_the_sink_has_made_the_tables_it_is_not_the_statement_that_is_wrong(
    clickhouse_reader: str, namespace: str
) -> None:
    domain = discover(namespace)["orders"]
    app = Litestar(
        route_handlers=routes({"orders": domain}, clickhouse_reader, lambda _: 0), exception_handlers=EXCEPTION_HANDLERS
    )
    with TestClient(app, raise_server_exceptions=False) as http:
        for sql in ("SELECT count() FROM orders", "SELECT 1"):
            answer = http.post("/api/sql", json={"sql": sql})
            assert (answer.status_code, answer.json()["rule"]) == (503, "no-tables")


def test_a_body_that_is_no_request_is_refused_by_its_field(filled: Shop) -> None:
    for body, field in (({}, "sql"), ({"sql": 1}, "sql"), ({"sql": "SELECT 1", "max_rows": 0}, "max_rows")):
        answer = filled.http.post("/api/sql", json=body)
        assert (answer.status_code, field in answer.text) == (422, True), answer.text
    assert filled.http.post("/api/sql", content=b"{").status_code == 400
    assert run(filled, "SELECT 1", 422, query="?limit=1").json()["field"] == "limit"
    assert run(filled, "SELECT 1", 422, domain="nobody").json()["field"] == "domain"
    assert run(filled, "SELECT 1", 422, accept="image/png").json()["rule"] == "not-acceptable"


def test_limits_on_rows_time_and_memory_end_a_statement(filled: Shop) -> None:
    assert run(filled, "SELECT number FROM numbers(11)", 422, max_rows=10).json()["rule"] == "limit-exceeded"
    assert len(run(filled, "SELECT number FROM numbers(10)", max_rows=10).json()["data"]) == 10
    slow = "SELECT count() FROM numbers(1000000000000) WHERE sipHash64(number) = 1"
    assert run(filled, slow, 422, max_seconds=1).json()["rule"] == "limit-exceeded"
    large = "SELECT groupArray(toString(number)) FROM numbers(100000000)"
    assert run(filled, large, 422, max_memory=2_000_000).json()["rule"] == "limit-exceeded"


def test_a_statement_waits_for_the_very_tables_that_it_reads(filled: Shop) -> None:
    filled.head = 12
    filled.complete(filled.topic("customers"), 12)
    late = "?token=orders:12&timeout=0.1"
    assert run(filled, "SELECT count() FROM customers", query=late).json()["freshness"]["orders"]["position"] == 12
    for sql in ("SELECT count() FROM orders", "SELECT 1 FROM customers WHERE orders IN (SELECT items FROM orders)"):
        assert run(filled, sql, 503, query=late).json()["rule"] == "not-yet-visible"
    assert run(filled, "SELECT 1 AS one", query=late).json() == {"freshness": {}, "data": [{"one": 1}]}
    filled.complete(filled.topic("orders"), 11, time=datetime.now(UTC) - timedelta(minutes=1))
    problem = run(filled, "SELECT count() FROM orders", 503, query="?max_staleness=1s&timeout=0").json()
    assert problem["rule"] == "too-stale"


def test_a_preview_says_what_would_be_read_and_reads_nothing(filled: Shop) -> None:
    asked = {"sql": "SELECT count() FROM orders JOIN customers USING (customer_id)"}
    found = filled.http.post("/api/sql/preview", json=asked).json()
    tables = {read["table"].rpartition(".")[2]: read["rows"] for read in found["reads"]}
    assert tables == {"orders": 8, "customers": 1}
    assert found["rows"] == 9
    refused = filled.http.post("/api/sql/preview", json={"sql": "SELECT * FROM system.tables"})
    assert refused.status_code == 422


def test_the_tables_that_can_be_read_are_listed_with_their_columns(filled: Shop) -> None:
    tables = {table["name"]: table["columns"] for table in filled.http.get("/api/sql/tables").json()["data"]}
    assert tables["orders"]["total"] == "Decimal(18, 2)"
    assert {"events", "customers", "products", "revenue_by_month"} <= tables.keys()
    for name in tables:
        run(filled, f"SELECT * FROM {name} LIMIT 1")


QUERY = "SELECT order_id, total, paid_at, items FROM orders ORDER BY order_id"


def test_each_form_holds_the_same_rows_with_their_types(filled: Shop) -> None:
    wanted = run(filled, QUERY).json()["data"]
    assert [json.loads(line) for line in run(filled, QUERY, accept=NDJSON).text.splitlines()] == wanted
    table = list(csv.DictReader(io.StringIO(run(filled, QUERY, accept=CSV).text)))
    assert table == [{k: "" if v is None else str(v) for k, v in row.items()} for row in wanted]
    for accept, read in ((ARROW, _arrow), (PARQUET, pyarrow.parquet.read_table)):
        answer = run(filled, QUERY, accept=accept)
        assert answer.headers["content-type"].startswith(accept)
        assert answer.headers["Headrace-Position"] == "9"
        found = read(io.BytesIO(answer.content))
        assert found.column("total").to_pylist() == [Decimal(row["total"]) for row in wanted]
        assert found.column("paid_at").to_pylist()[:2] == [None, AT]
        assert found.schema.field("items").type == pyarrow.uint64()
        assert json.loads(found.schema.metadata[b"headrace.freshness"])["orders"]["position"] == 9


def test_named_queries_answer_in_every_form_as_well(filled: Shop) -> None:
    url = "/api/orders/queries/top-customers"
    [row] = filled.http.get(url).json()["data"]
    [line] = filled.http.get(url, headers={"Accept": NDJSON}).text.splitlines()
    assert json.loads(line) == row
    found = _arrow(io.BytesIO(filled.http.get(url, headers={"Accept": ARROW}).content))
    assert found.num_rows == 1
    assert found.column("customer_id").to_pylist() == ["c-1"]


def test_an_answer_without_rows_is_whole_in_every_form(filled: Shop) -> None:
    empty = "SELECT order_id, total FROM orders WHERE order_id = 'nobody'"
    assert run(filled, empty).json()["data"] == []
    assert run(filled, empty, accept=NDJSON).text == ""
    assert run(filled, empty, accept=CSV).text.split() == ["order_id,total"]
    assert _arrow(io.BytesIO(run(filled, empty, accept=ARROW).content)).num_rows == 0
    assert pyarrow.parquet.read_table(io.BytesIO(run(filled, empty, accept=PARQUET).content)).num_rows == 0


def test_many_rows_are_streamed_and_an_error_in_their_middle_is_told(filled: Shop) -> None:
    many = "SELECT number, toString(number) AS text FROM numbers(300000)"
    assert run(filled, many, accept=NDJSON, max_rows=300_000).text.count("\n") == 300_000
    broken = "SELECT throwIf(number = 250000, 'here') AS n, sleepEachRow(0.00001) FROM numbers(300000)"
    answer = run(filled, broken, accept=NDJSON, max_rows=300_000)
    assert json.loads(answer.text.splitlines()[-1])["error"]["rule"] == "query-failed"
    assert json.loads(run(filled, broken, max_rows=300_000).text)["error"]["rule"] == "query-failed"
    assert len(run(filled, "SELECT * FROM orders").json()["data"]) == 5, "afterwards all is as before"


def _arrow(file: io.BytesIO) -> Any:
    with pyarrow.ipc.open_stream(file) as reader:
        return reader.read_all()
