"""Starts of the embedded stack that fail, are interrupted, meet another, or find servers given."""

import os
import shutil
import signal
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path

import psutil
import psycopg2
import pytest

from infra import stack
from infra.stack import Addresses, Program, StackError, leftovers
from tests.integration.stacks import SLEEPER, pids, query
from tests.pipeline import until


def test_a_failed_start_leaves_nothing_running(tmp_path: Path) -> None:
    failing = Program(name="failing", command=[sys.executable, "-c", "raise SystemExit(3)"])
    with pytest.raises(StackError, match="failing ended"):
        stack.up(tmp_path, [failing])
    assert leftovers.find(tmp_path) == {}


def test_an_interrupted_start_leaves_nothing_running(tmp_path: Path) -> None:
    code = f"import pathlib; from infra import stack; stack.up(pathlib.Path({str(tmp_path)!r}))"
    starting = subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.PIPE)
    until(lambda: len(leftovers.find(tmp_path)) >= 2, what="the supervisor and a server run")
    starting.send_signal(signal.SIGINT)
    _, words = starting.communicate(timeout=60)
    assert b"KeyboardInterrupt" in words
    assert leftovers.find(tmp_path) == {}


def test_a_start_that_was_killed_is_completed_by_the_next(tmp_path: Path) -> None:
    code = f"import pathlib; from infra import stack; stack.up(pathlib.Path({str(tmp_path)!r}))"
    starting = subprocess.Popen([sys.executable, "-c", code])
    until(lambda: pids(tmp_path)["kafka"], what="Kafka runs")
    starting.kill()
    starting.wait()
    try:
        kafka = pids(tmp_path)["kafka"]
        assert stack.up(tmp_path).kafka
        assert pids(tmp_path)["kafka"] == kafka
    finally:
        stack.down(tmp_path)


def test_a_stopped_server_answers_as_soon_as_it_is_started(home: Path) -> None:
    addresses = stack.up(home)
    stack.stop(home, "postgres")
    with pytest.raises(psycopg2.OperationalError):
        query(addresses.postgres, "SELECT 1")
    stack.start(home, "postgres")
    assert query(addresses.postgres, "SELECT 1") == [(1,)]


def test_two_starts_at_once_make_one_stack(tmp_path: Path) -> None:
    code = f"import pathlib; from infra import stack; print(stack.up(pathlib.Path({str(tmp_path)!r})))"
    starts = [subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) for _ in range(2)]
    try:
        first, second = (process.communicate(timeout=120)[0] for process in starts)
        assert first == second != b""
    finally:
        stack.down(tmp_path)


def test_a_given_server_is_asked_and_not_started(home: Path, tmp_path: Path) -> None:
    addresses = stack.up(home)
    servers = {name: url for name, url in asdict(addresses).items() if url}
    other = stack.up(tmp_path, given=Addresses(**servers))
    try:
        assert other == addresses
        assert set(pids(tmp_path).values()) == {0}
    finally:
        stack.down(tmp_path)


def test_a_given_server_that_does_not_answer_is_an_error_at_once(home: Path, tmp_path: Path) -> None:
    addresses = asdict(stack.up(home)) | {"kafka": "127.0.0.1:9"}
    with pytest.raises(StackError, match=r"Kafka at 127\.0\.0\.1:9 does not answer"):
        stack.up(tmp_path, given=Addresses(**addresses))
    assert leftovers.find(tmp_path) == {}


def test_a_home_with_a_long_path_works(home: Path, tmp_path: Path) -> None:
    long = tmp_path / ("deep" * 20) / ("deeper" * 10)
    given = stack.up(home)
    stack.up(long, [Program(name="sleeper", command=SLEEPER)], given=given)
    try:
        assert pids(long)["sleeper"]
    finally:
        assert stack.down(long)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can make PostgreSQL run as somebody else")
def test_root_starts_postgres_below_a_directory_that_others_may_not_enter(home: Path, tmp_path: Path) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    kafka = stack.up(home).kafka
    addresses = stack.up(closed / "home", given=Addresses(kafka=kafka))
    try:
        assert query(addresses.postgres, "SELECT 1") == [(1,)]
        assert psutil.Process(pids(closed / "home")["postgres"]).uids().real != 0
        assert closed.stat().st_mode & 0o777 == 0o700
        # In a container root may not read the environment of other users' processes, where the mark is.
        code = f"from infra.stack import leftovers as l; print({{p.name() for p in l.find({closed / 'home'!r})}})"
        command = [
            "setpriv",
            "--bounding-set=-all,+dac_override",
            sys.executable,
            "-c",
            f"from pathlib import PosixPath; {code}",
        ]
        assert "'postgres'" in subprocess.run(command, capture_output=True, text=True, check=True).stdout
    finally:
        stack.down(closed / "home")


def test_a_home_that_cannot_be_made_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StackError, match="cannot make the data home"):
        stack.up(tmp_path / "file" / "home")
    with pytest.raises(StackError, match="must not have any of"):
        stack.up(tmp_path / "100%")


def test_an_interrupted_making_of_the_data_is_made_anew(home: Path, tmp_path: Path) -> None:
    half = tmp_path / "data" / "postgres.new"
    half.mkdir(parents=True)
    (half / "PG_VERSION").write_text("18\n")
    addresses = stack.up(tmp_path, given=Addresses(kafka=stack.up(home).kafka))
    try:
        assert query(addresses.postgres, "SELECT current_database()") == [("headrace",)]
    finally:
        stack.down(tmp_path)
        shutil.rmtree(tmp_path / "data")
