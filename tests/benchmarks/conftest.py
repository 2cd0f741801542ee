"""Runs of the benchmarks with the tiniest sizes."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import psycopg2
import pytest

from infra.bench import machine
from infra.bench.errors import BenchError
from infra.bench.run import run
from infra.config import Settings
from infra.stack import Addresses
from tests.architecture.source import ROOT

Lines = list[dict[str, Any]]


@pytest.fixture
def settings(servers: Addresses, tmp_path: Path) -> Settings:
    try:
        machine.postgres(servers.postgres)
    except BenchError as refusal:
        pytest.skip(refusal.detail)
    return Settings(
        home=tmp_path,
        kafka=servers.kafka,
        postgres=servers.postgres,
        clickhouse=servers.clickhouse,
        clickhouse_reader=servers.clickhouse_reader,
    )


@pytest.fixture
def measured(settings: Settings) -> Callable[..., Lines]:
    """Runs a benchmark for hardly any time; its lines."""

    def measure(name: str, *cases: str) -> Lines:
        return list(run(settings, name, cases, 0.1, say=print, show=lambda what, done: print(what, done)))

    return measure


@pytest.fixture
def databases(servers: Addresses) -> Callable[[], set[str]]:
    """Names of the databases of runs that there are now."""

    def names() -> set[str]:
        connection = psycopg2.connect(servers.postgres)
        try:
            with connection.cursor() as cursor:
                cursor.execute("SELECT datname FROM pg_database WHERE datname LIKE 'headrace_bench_%'")
                return {name for (name,) in cursor}
        finally:
            connection.close()

    return names


@pytest.fixture
def bench(settings: Settings) -> Iterator[Callable[[Sequence[str]], "subprocess.Popen[str]"]]:
    """Starts `headrace bench` as a process; killed at the end of the test."""
    started: list[subprocess.Popen[str]] = []
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("HEADRACE_")}
    named = ("home", "kafka", "postgres", "clickhouse", "clickhouse_reader")
    environment = inherited | {f"HEADRACE_{name.upper()}": str(getattr(settings, name)) for name in named}

    def start(arguments: Sequence[str]) -> "subprocess.Popen[str]":
        process = subprocess.Popen(
            [sys.executable, "-m", "infra.cli", "bench", *arguments],
            cwd=ROOT,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()
