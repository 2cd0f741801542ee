"""`headrace schemas`: run as a user runs it, on a tree with planted changes and on a history with planted events."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from infra.contract.history import scan_range
from infra.stack import Addresses
from producers import PostgresEventStore
from schemas import Domain, encode
from tests.architecture.source import PACKAGES, ROOT
from tests.evolved import AT, FIRST, SECOND, TODAY, First, history
from tests.integration.order_source import Source
from tests.writes import Writer


def _headrace(tree: Path, *arguments: str, **settings: str) -> subprocess.CompletedProcess[str]:
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("HEADRACE_")}
    return subprocess.run(
        [sys.executable, "-m", "infra.cli", "schemas", *arguments],
        cwd=tree,
        env={**inherited, "PYTHONPATH": str(tree), **settings},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A copy of the source to plant changes in."""
    for package in PACKAGES:
        shutil.copytree(ROOT / package, tmp_path / package, ignore=shutil.ignore_patterns("__pycache__"))
    return tmp_path


def _plant(tree: Path, old: str, new: str) -> None:
    file = tree / "schemas" / "orders.py"
    text = file.read_text()
    assert text.count(old) == 1
    file.write_text(text.replace(old, new))


def test_a_domain_that_is_not_served_here_is_not_taken_for_removed_and_one_that_is_gone_is(tree: Path) -> None:
    good = _headrace(tree, "check", "--against", "released", HEADRACE_DOMAINS="orders")
    assert (good.returncode, good.stdout) == (0, "orders: 0 changes since the release, 0 breaking\n"), good.stderr
    (tree / "schemas" / "released" / "orders.json").rename(tree / "schemas" / "released" / "gone.json")
    released = tree / "schemas" / "released" / "gone.json"
    released.write_text(released.read_text().replace('"domain": "orders"', '"domain": "gone"'))
    bad = _headrace(tree, "check", "--against", "released", HEADRACE_DOMAINS="orders")
    assert (bad.returncode, "domain gone $: domain removed" in bad.stdout) == (1, True), bad.stdout


def test_a_planted_breaking_change_ends_with_one_until_it_is_covered(tree: Path) -> None:
    good = _headrace(tree, "check", "--against", "released")
    assert (good.returncode, good.stderr) == (0, ""), good.stdout
    _plant(tree, "    reason: str\n", "    reason: str\n    blame: str\n")
    bad = _headrace(tree, "check", "orders", "--against", "released")
    assert bad.returncode == 1
    assert re.search(r"breaking +event OrderCancelled \$\.blame: required field added \(breaks history\)", bad.stdout)
    checked = _headrace(tree, "check", "orders", "--against", "released", "--json").stdout
    [report] = [json.loads(line) for line in checked.splitlines()]
    assert [(c["name"], c["path"]) for c in report["changes"] if c["breaking"]] == [("OrderCancelled", "$.blame")]
    refused = _headrace(tree, "release", "orders")
    assert refused.returncode == 1
    assert "OrderCancelled $.blame: required field added" in refused.stderr

    _plant(tree, "class OrderCancelled(Event, frozen", 'class OrderCancelled(Event, tag="OrderCancelled.2", frozen')
    upcaster = 'Upcaster("OrderCancelled", "OrderCancelled.2", lambda fields: {**fields, "blame": ""})'
    _plant(tree, '    name="orders",\n', f'    name="orders",\n    upcasters=({upcaster},),\n')
    _plant(tree, "Text, Ticked\n", "Text, Ticked, Upcaster\n")
    covered = _headrace(tree, "check", "--against", "released")
    assert covered.returncode == 0, covered.stdout
    assert "covered by the upcaster to OrderCancelled.2" in covered.stdout
    assert _headrace(tree, "release", "orders").returncode == 0
    kept = json.loads((tree / "schemas" / "released" / "orders.json").read_text())
    assert (list(kept["past_events"]), "OrderCancelled.2" in kept["events"]) == (["OrderCancelled"], True)


def test_a_domain_that_is_not_there_is_said() -> None:
    done = _headrace(ROOT, "check", "odors", "--against", "released")
    assert (done.returncode, "there is no domain 'odors'" in done.stderr) == (1, True)


def test_a_database_without_tables_is_said(servers: Addresses) -> None:
    done = _headrace(ROOT, "check", "orders", "--against", "history", HEADRACE_POSTGRES=servers.postgres)
    assert (done.returncode, "`headrace prepare`" in done.stderr, "Traceback" in done.stderr) == (1, True, False)


def _store(postgres: str, domain: Domain, *data: bytes, stream: str = "a-1") -> None:
    writer, store = Writer(domain), PostgresEventStore(postgres, domain)
    store.append([writer.write(stream, data=each) for each in data])
    store.close()


def test_events_that_do_not_load_are_named(postgres: str) -> None:
    _store(postgres, TODAY, *history(), b'{"type":"Paid.2","account":"a-1","at":"2026-01-01T00:00:00Z"}')
    events, bad, [first] = scan_range(postgres, TODAY, 0, 100)
    assert (events, bad, first.position, first.stream, first.version) == (6, 1, 6, "a-1", 6)
    assert "the upcaster from Paid.2 to Paid.3 failed: KeyError('payment')" in first.error
    events, bad, found = scan_range(postgres, FIRST, 1, 4)
    assert (events, bad, [each.position for each in found]) == (3, 2, [2, 3])
    assert scan_range(postgres, SECOND, 0, 2) == (2, 0, [])


def test_all_of_history_is_read_in_parallel(postgres: str, domain: Domain) -> None:
    events = [json.loads(value)["data"] for _, value in Source().events(3)]
    good = [encode(event) for event in events]
    writer, store = Writer(domain), PostgresEventStore(postgres, domain)
    for number in range(9):
        store.append([writer.write(f"o-{number}-{n}", events=10, data=good[0]) for n in range(500)])
    bad = good[0].replace(b'"items":', b'"item":')
    assert bad != good[0]
    store.append([writer.write("o-bad", data=bad), writer.write("o-bad", data=encode(First.Ended("a", AT)))])
    store.close()

    settings = {"HEADRACE_POSTGRES": postgres, "HEADRACE_NAMESPACE": domain.namespace}
    done = _headrace(ROOT, "check", "orders", "--against", "history", "--jobs", "2", "--json", **settings)
    assert done.returncode == 1, done.stderr
    found = json.loads(done.stdout)["history"]
    assert (found["events"], found["bad"]) == (45_002, 2)
    first, second = found["first"]
    assert (first["position"], first["stream"], first["version"], first["field"]) == (45_001, "o-bad", 1, "items")
    assert (second["position"], second["field"]) == (45_002, "type")
