"""The demos of all domains but orders, whose demo the README runs, one after the other on one stack: each is exact, the
same again, and at the end the audit of all domains is clean.
"""

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from infra.demo.found import demos
from infra.stack import Addresses
from schemas import discover
from tests.conftest import fresh_database, fresh_namespace
from tests.pipeline import Pipeline

FIRST, *OTHERS = sorted(set(demos()) - {"orders"})


@pytest.fixture(scope="module")
def stack(servers: Addresses, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pipeline]:
    """What runs the demos; nothing is started yet."""
    home = tmp_path_factory.mktemp("demos")
    with fresh_database(servers.postgres) as postgres, fresh_namespace(servers.clickhouse) as namespace:
        pipeline = Pipeline(replace(servers, postgres=postgres), namespace, home, settings={"HEADRACE_DOMAINS": ""})
        try:
            yield pipeline
        finally:
            pipeline.run("down")


@pytest.fixture(scope="module")
def whole_stack(stack: Pipeline) -> Pipeline:
    """The stack when it serves all domains."""
    done = stack.run("up", seconds=400)
    assert done.returncode == 0, done.stderr[-3000:]
    return stack


def _run(stack: Pipeline, name: str) -> dict[str, Any]:
    done = stack.run("demo", name, "--json", seconds=400)
    assert done.returncode == 0, done.stderr[-3000:] + done.stdout[-3000:]
    outcome: dict[str, Any] = json.loads(done.stdout)
    return outcome


def _assert_exact_and_the_same_again(stack: Pipeline, name: str) -> None:
    first, second = _run(stack, name), _run(stack, name)
    assert first["exact"]
    assert (first["new"], first["repeated"]) == (first["commands"], 0)
    assert (second["new"], second["repeated"], second["found"]) == (0, first["commands"], first["found"])


def _assert_clean(stack: Pipeline, *domains: str) -> None:
    """The audit is of these domains, which are those that the stack serves, and finds nothing."""
    done = stack.run("audit", "--json", seconds=300)
    assert done.returncode == 0, done.stdout
    reports = [json.loads(line) for line in done.stdout.splitlines()]
    assert {report["domain"] for report in reports} == {f"{stack.namespace}.{domain}" for domain in domains}


def test_a_demo_on_nothing_starts_the_domains_that_it_needs_alone_and_is_exact(stack: Pipeline) -> None:
    _assert_exact_and_the_same_again(stack, FIRST)
    _assert_clean(stack, *demos()[FIRST].domains)


@pytest.mark.parametrize("name", OTHERS)
def test_a_demo_beside_the_others_is_exact_and_the_same_again(name: str, whole_stack: Pipeline) -> None:
    _assert_exact_and_the_same_again(whole_stack, name)


def test_after_all_demos_the_audit_of_all_domains_is_clean(whole_stack: Pipeline) -> None:
    _assert_clean(whole_stack, *discover())
