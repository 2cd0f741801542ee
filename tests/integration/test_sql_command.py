"""`headrace sql` against a running API: one statement, files, and the prompt."""

import json
import os
import subprocess
import sys
from pathlib import Path

import httpx
import psutil
import pyarrow.parquet
import pytest
from prompt_toolkit.application import create_app_session
from prompt_toolkit.document import Document
from prompt_toolkit.input import create_pipe_input
from prompt_toolkit.output import DummyOutput

from infra.sql.asking import Api, Question
from infra.sql.prompt import complete, prompt
from schemas import Unavailable
from tests.architecture.source import ROOT
from tests.integration.filled import AT, Shop
from tests.pipeline import Pipeline, free_port

COUNT = "SELECT status, count() AS orders FROM orders GROUP BY status ORDER BY status"


@pytest.fixture
def port(shop: Shop, pipeline: Pipeline) -> int:
    """The port of an API over three orders."""
    for number, status in enumerate(("paid", "paid", "placed")):
        shop.order(f"o-{number}", f"{number}.50", status=status, paid_at=AT)
    pipeline.start("api")
    return pipeline.port


def headrace(port: int, *arguments: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
    """The finished command."""
    environment = {**os.environ, "HEADRACE_HTTP_PORT": str(port)}
    command = [sys.executable, "-m", "infra.cli", "sql", *arguments]
    return subprocess.run(command, cwd=ROOT, env=environment, input=stdin, capture_output=True, text=True, timeout=60)


def test_a_statement_is_answered_as_a_table_with_its_freshness(port: int, tmp_path: Path) -> None:
    shown = headrace(port, COUNT)
    assert shown.returncode == 0, shown.stderr
    assert "paid" in shown.stdout
    assert "2 rows; orders up to position 0" in shown.stdout
    piped = headrace(port, "--format", "ndjson", stdin=COUNT)
    assert [json.loads(line) for line in piped.stdout.splitlines()] == [
        {"status": "paid", "orders": 2},
        {"status": "placed", "orders": 1},
    ]
    asked = "SELECT order_id FROM orders WHERE total > {least:Decimal(18, 2)} ORDER BY order_id"
    assert headrace(port, asked, "-p", "least=1", "--format", "csv").stdout.split() == ["order_id", "o-1", "o-2"]
    file = tmp_path / "orders.parquet"
    assert headrace(port, "SELECT * FROM orders", "--format", "parquet", "-o", str(file)).returncode == 0
    assert pyarrow.parquet.read_table(file).num_rows == 3
    assert "3 rows to read; nothing was run" in headrace(port, COUNT, "--preview").stdout
    pages = headrace(port, "SELECT order_id FROM orders ORDER BY order_id", "--page", "2")
    assert "o-1" in pages.stdout
    assert "o-2" not in pages.stdout
    cursor = pages.stdout.split("--cursor ")[1].split()[0]
    assert "o-2" in headrace(port, "SELECT order_id FROM orders ORDER BY order_id", "--cursor", cursor).stdout


def test_the_memory_of_the_api_does_not_grow_with_the_answer(port: int, pipeline: Pipeline) -> None:
    api = psutil.Process(pipeline.running["api"].pid)
    wide = "SELECT number, repeat('x', 200) AS text FROM numbers({count:UInt32})"

    def stream(count: int) -> tuple[int, int]:
        """How many bytes came, and how much memory the API took at most."""
        size, peak, body = 0, 0, {"sql": wide, "parameters": {"count": count}, "max_rows": 1_000_000}
        url, accept = f"http://127.0.0.1:{port}/api/sql", {"Accept": "application/x-ndjson"}
        with httpx.stream("POST", url, json=body, headers=accept, timeout=60) as answer:
            for part in answer.iter_bytes(1 << 20):
                size, peak = size + len(part), max(peak, api.memory_info().rss)
        return size, peak

    _, before = stream(20_000)
    size, peak = stream(500_000)
    assert size > 100_000_000
    assert peak - before < size / 2, "a small part of the answer is held at a time"


def test_what_is_wrong_is_said_in_a_sentence_and_leaves_no_file(port: int, tmp_path: Path) -> None:
    file = tmp_path / "rows.csv"
    refused = headrace(port, "SELECT nothing FROM orders", "--format", "csv", "-o", str(file))
    assert refused.returncode == 1
    assert "nothing" in refused.stderr
    assert list(tmp_path.glob("rows*")) == []
    assert headrace(port, COUNT, "-p", "least").returncode == 2
    away = headrace(free_port(), COUNT)
    assert (away.returncode, "headrace up" in away.stderr) == (1, True)


def test_the_prompt_answers_statements_over_several_lines_and_says_what_is_wrong(
    port: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    history = tmp_path / "home" / "history"
    with (
        create_pipe_input() as keys,
        create_app_session(input=keys, output=DummyOutput()),
        Api(f"http://127.0.0.1:{port}") as api,
    ):
        keys.send_text("SELECT count() AS found\rFROM orders;\r.tables\r.preview SELECT 1\r.help\rSELECT x;\r.quit\r")
        prompt(api, Question(None, {}, {}, {}), history)
    out, err = capsys.readouterr()
    assert "found" in out
    assert "1 row; orders" in out
    assert "customers of orders" in out
    assert "nothing was run" in out
    assert "Ctrl-D" in out
    assert "x" in err
    assert "SELECT count() AS found" in history.read_text()


@pytest.mark.parametrize(("text", "sent"), [("SELECT 1", False), ("SELECT 1;", True), (".help", True), ("", True)])
def test_enter_sends_what_is_complete(text: str, sent: bool) -> None:
    assert complete(Document(text)) is sent


def test_without_an_api_the_prompt_does_not_open(tmp_path: Path) -> None:
    with Api(f"http://127.0.0.1:{free_port()}") as api, pytest.raises(Unavailable, match="headrace up"):
        prompt(api, Question(None, {}, {}, {}), tmp_path / "history")
