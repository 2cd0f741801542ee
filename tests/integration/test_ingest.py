"""`headrace ingest`: files of every kind, each command once, taken up again after any end."""

import csv
import gzip
import io
import json
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow
import pyarrow.parquet
import pytest
from backports import zstd

from infra.ingest.state import State, fingerprint, journal
from producers import PostgresEventStore
from schemas import Domain, encode
from tests.integration.commanded import line
from tests.order_commands import pay, place, ship
from tests.pipeline import Pipeline, environment, until


@pytest.fixture
def store(postgres: str, domain: Domain) -> Iterator[PostgresEventStore]:
    made = PostgresEventStore(postgres, domain)
    yield made
    made.close()


class Ingest:
    """Runs the command against a pipeline's API."""

    def __init__(self, pipeline: Pipeline) -> None:
        self._pipeline = pipeline

    def start(self, file: Path, *options: str, **settings: str) -> subprocess.Popen[str]:
        at = self._pipeline
        env = environment(at.addresses, at.namespace, at.home / "data", at.port, **settings)
        command = [sys.executable, "-m", "infra.cli", "ingest", str(file), "--json", *options]
        pipe = subprocess.PIPE
        return subprocess.Popen(command, cwd=at.tree, env=env, stdout=pipe, stderr=pipe, text=True)

    def run(self, file: Path, *options: str) -> tuple[int, dict[str, Any], str]:
        """Exit code, summary, and what was said on standard error."""
        process = self.start(file, *options)
        out, said = process.communicate(timeout=120)
        return process.returncode, json.loads(out or "{}"), said


@pytest.fixture
def ingest(pipeline: Pipeline) -> Ingest:
    pipeline.start("api")
    return Ingest(pipeline)


def counts(summary: dict[str, Any]) -> tuple[int, int, int]:
    return summary["new"], summary["repeated"], summary["refused"]


def rejects(file: Path) -> list[dict[str, Any]]:
    path = file.with_name(file.name + ".rejects.ndjson")
    return [json.loads(text) for text in path.read_text().splitlines()] if path.exists() else []


PACK: dict[str, Callable[[bytes], bytes]] = {"": bytes, ".gz": gzip.compress, ".zst": zstd.compress}


@pytest.mark.parametrize("packing", PACK)
def test_lines_are_accepted_or_listed_with_their_problem_and_a_second_run_changes_nothing(
    packing: str, ingest: Ingest, store: PostgresEventStore, tmp_path: Path
) -> None:
    lines = [
        line(place("a"), id="place-a"),
        b"",
        encode(pay("a")),
        b"{oops",
        line(pay("a"), id="again"),
        b"x" * 1_100_000,
        line(ship("a")),
    ]
    file = tmp_path / f"orders.ndjson{packing}"
    file.write_bytes(PACK[packing](b"\n".join(lines)))
    code, summary, _ = ingest.run(file)
    assert (code, *counts(summary)) == (1, 3, 0, 3)
    assert [(r["line"], r["status"], r["problem"]["rule"]) for r in rejects(file)] == [
        (4, 400, "malformed-json"),
        (5, 409, "order-already-paid"),
        (6, 413, "line-too-long"),
    ]
    assert rejects(file)[1]["input"] == json.loads(line(pay("a"), id="again"))
    ids = [event.command for event in store.read(0, 9)]
    assert ids[0] == "place-a"
    assert [id_.split(":")[0] + id_[-2:] for id_ in ids[1:]] == ["file:3", "file:7"]
    code, summary, _ = ingest.run(file)
    assert (code, *counts(summary), len(rejects(file))) == (1, 0, 3, 3, 3)
    assert store.head().position == 3


def rows() -> list[dict[str, Any]]:
    """A product and orders of it in columns, as a spreadsheet has them; payments in the same table."""
    product = {"type": "AddProduct", "sku": "CD", "name": "Disc", "price.amount": "5.00", "price.currency": "EUR"}
    product["stock"] = "6"
    placed = [
        {
            "type": "PlaceOrder",
            "id": f"p-{n}",
            "order_id": f"o{n}",
            "customer_id": "c1",
            "lines.0.sku": "CD",
            "lines.0.quantity": 2,
            "lines.0.price.amount": "10.00",
            "lines.0.price.currency": "EUR",
            "total.amount": "10.00",
            "total.currency": "EUR",
            "at": "2026-01-01T12:00:00Z",
        }
        for n in range(3)
    ]
    json_lines = encode(place().lines).decode()
    other = {**placed[0], "id": None, "order_id": "o9", "lines": json_lines}
    other |= {name: None for name in other if name.startswith("lines.")}
    paid = {"type": "PayOrder", "order_id": "o1", "expected_version": 1, "amount.amount": "10.00"}
    return [product, *placed, other, {**paid, "amount.currency": "EUR"}, {**paid, "amount.currency": "euro"}]


def _csv(path: Path, table: list[dict[str, Any]]) -> None:
    text = io.StringIO()
    writer = csv.DictWriter(text, list(dict.fromkeys(name for row in table for name in row)))
    writer.writeheader()
    writer.writerows(table)
    path.write_text("\ufeff" + text.getvalue())


def _parquet(path: Path, table: list[dict[str, Any]]) -> None:
    columns = dict.fromkeys(name for row in table for name in row)
    pyarrow.parquet.write_table(pyarrow.table({name: [row.get(name) for row in table] for name in columns}), path)


@pytest.mark.parametrize(("ending", "write", "first"), [("csv", _csv, 2), ("parquet", _parquet, 1)])
def test_rows_of_a_table_are_commands(
    ending: str, write: Any, first: int, ingest: Ingest, store: PostgresEventStore, tmp_path: Path
) -> None:
    file = tmp_path / f"orders.{ending}"
    write(file, rows())
    code, summary, _ = ingest.run(file)
    assert (code, *counts(summary)) == (1, 6, 0, 1)
    [reject] = rejects(file)
    assert (reject["line"], reject["problem"]["field"]) == (first + 6, "amount.currency")
    events = store.read(0, 9)
    placed = [(f"o{n}", "OrderPlaced") for n in (0, 1, 2, 9)]
    assert [(e.stream, e.type) for e in events[1:]] == [*placed, ("o1", "OrderPaid")]
    for event, sku in zip(events[1:5], ("CD", "CD", "CD", None), strict=True):
        price = {"amount": "10.00", "currency": "EUR"}
        assert json.loads(event.data)["lines"] == [{"sku": sku, "quantity": 2, "price": price}]
    assert counts(ingest.run(file)[1]) == (0, 6, 1)


def test_a_table_of_one_kind_of_command_needs_no_column_for_it(ingest: Ingest, tmp_path: Path) -> None:
    file = tmp_path / "products.csv"
    _csv(file, [{"sku": f"s{n}", "name": "Disc", "stock": n} for n in range(3)])
    code, _, said = ingest.run(file, "--command", "Nothing")
    assert (code, "orders has no command 'Nothing'; there are" in said) == (1, True)
    code, summary, _ = ingest.run(file, "--command", "AddProduct")
    assert (code, *counts(summary)) == (0, 3, 0, 0)


def large(file: Path, orders: int) -> None:
    """Each order is placed, paid, and in vain paid again."""
    with file.open("wb") as out:
        for n in range(orders):
            out.writelines(encode(step(f"o{n}")) + b"\n" for step in (place, pay, pay))


def assert_all_once(file: Path, summary: dict[str, Any], store: PostgresEventStore, orders: int) -> None:
    assert store.head().position == 2 * orders
    assert summary["new"] + summary["repeated"] == 2 * orders
    assert summary["refused"] == orders
    assert [reject["line"] for reject in rejects(file)] == list(range(3, 3 * orders + 1, 3))


@pytest.mark.parametrize(("number", "code"), [(signal.SIGKILL, -signal.SIGKILL), (signal.SIGINT, 130)])
def test_a_run_that_was_ended_goes_on_where_it_was(
    number: signal.Signals,
    code: int,
    ingest: Ingest,
    pipeline: Pipeline,
    store: PostgresEventStore,
    tmp_path: Path,
) -> None:
    file, orders = tmp_path / "orders.ndjson", 8_000
    large(file, orders)
    process = ingest.start(file)
    until(lambda: list((pipeline.home / "data" / "ingest").glob("*.json")), 30, what="the first state")
    process.send_signal(number)
    process.communicate(timeout=60)
    assert process.returncode == code
    assert 0 < store.head().position < 2 * orders
    if number == signal.SIGKILL:  # as if it had been in the middle of writing more rejects
        with file.with_name(file.name + ".rejects.ndjson").open("ab") as behind:
            behind.write(b'{"line":999')
    code, summary, said = ingest.run(file)
    assert (code, "Going on after line" in said) == (1, True), said
    assert_all_once(file, summary, store, orders)
    assert "Going on" not in ingest.run(file)[2]


def test_a_run_whose_api_was_killed_goes_on_once_it_is_back(
    ingest: Ingest, pipeline: Pipeline, store: PostgresEventStore, tmp_path: Path
) -> None:
    file, orders = tmp_path / "orders.ndjson", 6_000
    large(file, orders)
    process = ingest.start(file)
    until(lambda: store.head().position > 1_000, 30)
    pipeline.kill("api")
    _, said = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "run it again" in said
    assert ingest.run(file)[0] == 1
    pipeline.start("api")
    assert_all_once(file, ingest.run(file)[1], store, orders)


def test_a_database_that_does_not_know_what_an_earlier_run_sent_gets_everything(
    ingest: Ingest, pipeline: Pipeline, domain: Domain, store: PostgresEventStore, tmp_path: Path
) -> None:
    file = tmp_path / "orders.ndjson"
    large(file, 5)
    with journal(pipeline.home / "data", f"{domain.key}-{fingerprint(file)}") as kept:
        kept.write(State(line=6, new=4, refused=2, proof=5))
    code, summary, said = ingest.run(file)
    assert (code, *counts(summary)) == (1, 10, 0, 5)
    assert "Going on" not in said
    assert_all_once(file, summary, store, 5)
