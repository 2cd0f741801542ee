"""What a worker says of its health, and how it is judged and shown."""

import io
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import msgspec
import pytest
from click.testing import CliRunner
from rich.console import Console

from infra.commands.stack import status
from infra.config import Settings
from infra.worker_status import as_object, show
from schemas import discover
from streams.gauges import Gauges
from streams.group import Group
from streams.health import SILENT_SECONDS, Health, PartitionHealth, path_of, workers, write
from streams.watchdog import Judge, Watchdog

PARTITION = PartitionHealth(topic="orders.events.1", partition=2, offset=70, end=90, lag=20, position=61, held=3)
RUNNING = Health(
    domain="orders", projection=1, pid=os.getpid(), at=time.time(), state="running", partitions=(PARTITION,)
)


def _with(**changes: object) -> Health:
    return msgspec.structs.replace(RUNNING, at=time.time(), **changes)


def test_a_worker_is_ready_once_its_tables_are_loaded_and_live_until_it_is_stuck_or_silent() -> None:
    judged = {state: (_with(state=state).live, _with(state=state).ready) for state in ("loading", "running", "stuck")}
    assert judged == {"loading": (True, False), "running": (True, True), "stuck": (False, False)}
    assert (_with(state="standby").ready, _with(reason="Kafka: no answer").ready) == (True, False)
    assert not msgspec.structs.replace(RUNNING, at=time.time() - SILENT_SECONDS - 1).live


def test_the_newest_word_of_each_running_worker_is_read(tmp_path: Path) -> None:
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    write(tmp_path / "health" / "a.json", _with(rate=1.0))
    write(tmp_path / "health" / "a.json", _with(rate=2.0))
    write(tmp_path / "health" / "b.json", _with(pid=gone.pid))
    (tmp_path / "health" / "c.json").write_text("{half")
    assert [worker.rate for worker in workers(tmp_path)] == [2.0]
    assert workers(tmp_path / "nowhere") == []


def test_only_what_stands_still_for_long_enough_is_stuck() -> None:
    judge = Judge(5.0)
    assert [judge.still("p", offset, now) for offset, now in ((7, 0.0), (7, 4.0), (8, 6.0), (8, 12.0))] == [0, 4, 0, 6]
    assert (judge.is_stuck(4.9), judge.is_stuck(5.0)) == (False, True)
    judge.excuse("p")
    assert judge.still("p", 8, 30.0) == 0


@pytest.mark.parametrize(("state", "says"), [("joining", "joined its group"), ("loading", "more than 5 records")])
def test_a_worker_that_does_not_join_or_load_is_stuck(state: str, says: str, tmp_path: Path) -> None:
    gauges = Gauges("orders")
    watchdog = Watchdog(
        "127.0.0.1:1", Group.of(discover()["orders"], ()), gauges, tmp_path / "a.json", stuck_seconds=0.0
    )
    assert watchdog._stuck(()) == ""
    getattr(gauges, state)()
    gauges.loading_on(5)
    assert says in watchdog._stuck(())
    gauges.opened({("orders.events.1", 0): 5}, {})
    assert watchdog._stuck(()) == ""


def test_the_status_shows_lag_held_keys_and_reasons() -> None:
    out = Console(file=io.StringIO(), width=120)
    loading, deaf = _with(state="loading", loaded=12_345, partitions=()), _with(reason="Kafka: [no] answer")
    show(out, [_with(late=1_234), loading, deaf])
    show(out, [])
    text = out.file.getvalue()  # type: ignore[attr-defined]  # the StringIO above
    name = f"worker orders v1 ({os.getpid()})"
    assert f"{name}: running, 0 events/s, lag 20, 3 keys held, events too late for 1,234 windows\n" in text
    assert f"{name}: loading, 12,345 records so far\n" in text
    assert "keys held; Kafka: [no] answer\n" in text
    assert [line.split() for line in text.splitlines() if PARTITION.topic in line] == 2 * [
        [PARTITION.topic, "2", "70", "20", "61", "3"]
    ]
    read = as_object(_with())
    assert (read["worker"], read["healthy"], read["lag"], read["held"]) == ("orders", True, 20, 3)
    assert read["partitions"][0]["end"] == 90


def test_the_command_gives_one_object_for_each_worker(tmp_path: Path) -> None:
    write(path_of(tmp_path / "worker", "headrace.orders.v1", "one"), _with(state="loading", loaded=7))
    done = CliRunner().invoke(status, ["--json"], obj=Settings(home=tmp_path))
    [worker] = [line for line in map(json.loads, done.output.splitlines()) if "worker" in line]
    assert (worker["worker"], worker["state"], worker["loaded"]) == ("orders", "loading", 7)
    assert (worker["live"], worker["ready"], worker["lag"], worker["held"]) == (True, False, 20, 3)
    assert done.exit_code == 1, "the servers do not run"
    assert "loading, 7 records" in CliRunner().invoke(status, [], obj=Settings(home=tmp_path)).output
