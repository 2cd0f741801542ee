"""The demos of all domains but orders, whose demo the README runs: exact, the same again, and the audit is clean."""

import json
from pathlib import Path
from typing import Any

import pytest

from infra.demo.found import demos
from infra.stack import Addresses
from tests.pipeline import Pipeline

NAMES = sorted(set(demos()) - {"orders"})


@pytest.mark.parametrize("name", NAMES)
def test_a_demo_is_exact_and_its_audit_clean(name: str, addresses: Addresses, namespace: str, tmp_path: Path) -> None:
    pipeline = Pipeline(addresses, namespace, tmp_path, settings={"HEADRACE_DOMAINS": ""})

    def demo() -> dict[str, Any]:
        done = pipeline.run("demo", name, "--json", seconds=400)
        assert done.returncode == 0, done.stderr[-3000:] + done.stdout[-3000:]
        found: dict[str, Any] = json.loads(done.stdout)
        return found

    try:
        first, second = demo(), demo()
        audited = pipeline.run("audit", "--json", seconds=300)  # of what the stack serves, which is not all
    finally:
        pipeline.run("down")
    assert first["exact"]
    assert (first["new"], first["repeated"]) == (first["commands"], 0)
    assert (second["new"], second["repeated"], second["found"]) == (0, first["commands"], first["found"])
    assert audited.returncode == 0, audited.stdout
    reports = [json.loads(line) for line in audited.stdout.splitlines()]
    assert {report["domain"] for report in reports} == {f"{namespace}.{each}" for each in demos()[name].domains}
