"""The embedded stack as it runs: keeps data, survives kills, moves ports, restarts what ends."""

import os
import queue
import signal
import socket
import sys
import threading
from pathlib import Path

import psutil
import psycopg2
import pytest
from confluent_kafka import KafkaError, Producer

from infra import stack
from infra.stack import Addresses, Program, StackError, leftovers
from infra.stack.stack import SERVERS
from tests.integration.stacks import SLEEPER, pids, query, supervisor, values, write, writer
from tests.pipeline import until


def test_every_server_answers_at_its_address(home: Path) -> None:
    addresses = stack.up(home)
    for name, server in SERVERS.items():
        server.check(getattr(addresses, name))
    assert Addresses.read(home) == addresses


def test_a_second_start_leaves_all_as_it_is(home: Path) -> None:
    addresses, before = stack.up(home), pids(home)
    said: list[str] = []
    assert stack.up(home, say=said.append) == addresses
    assert pids(home) == before
    assert said == []


def test_postgres_is_durable_and_asks_for_a_password(home: Path) -> None:
    url = stack.up(home).postgres
    for setting in ("fsync", "synchronous_commit", "full_page_writes", "data_checksums"):
        assert query(url, f"SHOW {setting}") == [("on",)]
    without = url.replace(url.split(":")[2].split("@")[0], "wrong")
    with pytest.raises(psycopg2.OperationalError, match="password authentication failed"):
        query(without, "SELECT 1")


def test_kafka_makes_no_topic_by_itself(home: Path) -> None:
    producer = Producer({"bootstrap.servers": stack.up(home).kafka, "message.timeout.ms": 3000})
    failed: list[object] = []
    producer.produce("never-declared", b"x", on_delivery=lambda error, _: failed.append(error))
    producer.flush(10)
    assert [error.code() for error in failed if isinstance(error, KafkaError)]


def test_data_and_addresses_are_the_same_after_a_restart(home: Path) -> None:
    addresses = stack.up(home)
    query(addresses.postgres, "CREATE TABLE kept AS SELECT 42 AS x")
    write(addresses.kafka, "kept", b"42")
    assert stack.down(home)
    assert not stack.running(home)
    assert stack.up(home) == addresses
    assert query(addresses.postgres, "SELECT x FROM kept") == [(42,)]
    assert values(addresses.kafka, "kept") == [b"42"]


def test_a_killed_server_is_started_again_with_its_data(home: Path) -> None:
    addresses, before = stack.up(home), pids(home)
    write(addresses.kafka, "survives", b"1")
    assert values(addresses.kafka, "survives") == [b"1"]  # a commit's markers come after its answer
    for name in SERVERS:
        os.kill(before[name], signal.SIGKILL)
    until(lambda: all(part.healthy and part.pid != before[part.name] for part in stack.status(home)), 60)
    writer(addresses.kafka, "survives")
    assert values(addresses.kafka, "survives") == [b"1"]


def test_down_ends_what_a_killed_supervisor_left(home: Path) -> None:
    stack.up(home)
    left = [psutil.Process(pid) for pid in pids(home).values()]
    supervisor(home).kill()
    until(lambda: not stack.running(home))
    assert all(process.is_running() for process in left)
    assert stack.down(home)
    assert not any(process.is_running() for process in left)
    assert not stack.down(home)


def test_a_start_after_a_killed_supervisor_takes_over_the_data(home: Path) -> None:
    addresses = stack.up(home)
    query(addresses.postgres, "CREATE TABLE before_the_kill AS SELECT 1 AS x")
    supervisor(home).kill()
    assert stack.up(home) == addresses
    assert query(addresses.postgres, "SELECT x FROM before_the_kill") == [(1,)]
    assert all(part.healthy for part in stack.status(home))


def test_down_ends_a_stack_whose_supervisor_hangs(home: Path) -> None:
    stack.up(home)
    supervisor(home).suspend()
    assert stack.down(home)
    assert leftovers.find(home) == {}


@pytest.mark.parametrize("name", ["kafka", "postgres"])
def test_a_server_moves_when_another_program_has_taken_its_port(home: Path, name: str) -> None:
    addresses = stack.up(home)
    write(addresses.kafka, f"moved-{name}", b"here")
    stack.down(home)
    port = int(getattr(addresses, name).rpartition(":")[2].split("/")[0])
    said: list[str] = []
    with socket.socket() as squatter:
        squatter.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        squatter.bind(("127.0.0.1", port))
        squatter.listen()
        moved = stack.up(home, say=said.append)
    assert getattr(moved, name) != getattr(addresses, name)
    assert any(f"{name}: port {port} is in use" in sentence for sentence in said)
    assert values(moved.kafka, f"moved-{name}") == [b"here"]


def test_a_program_runs_with_its_environment_until_it_is_stopped(home: Path) -> None:
    value = """ it's "quoted", %(odd)s; $HOME \\ """
    program = Program(
        name="shows",
        command=[
            sys.executable,
            "-c",
            "import os, time; print(repr(os.environ['ODD']), flush=True); time.sleep(600)",
        ],
        environment={"ODD": value},
    )
    stack.up(home, [program])
    until(lambda: repr(value) in (home / "log" / "shows.log").read_text())
    stack.stop(home, "shows")
    assert pids(home)["shows"] == 0
    stack.start(home, "shows")
    first = pids(home)["shows"]
    stack.restart(home, "shows")
    assert pids(home)["shows"] not in (0, first)


def test_a_program_is_restarted_only_when_its_command_has_changed(home: Path) -> None:
    stack.up(home, [Program(name="sleeper", command=SLEEPER)])
    first = pids(home)["sleeper"]
    stack.run(home, [Program(name="sleeper", command=SLEEPER)])
    assert pids(home)["sleeper"] == first
    stack.run(home, [Program(name="sleeper", command=SLEEPER, environment={"A": "1"})])
    assert pids(home)["sleeper"] not in (0, first)


def test_a_program_that_is_not_wanted_any_more_is_stopped_and_forgotten(home: Path) -> None:
    stack.up(home, [Program(name=name, command=SLEEPER) for name in ("stays", "goes")])
    before, said = pids(home), list[str]()
    stack.run(home, [Program(name="stays", command=SLEEPER)], say=said.append)
    now = pids(home)
    assert (now["stays"], now["kafka"]) == (before["stays"], before["kafka"])
    assert "goes" not in now
    assert not psutil.pid_exists(before["goes"])
    assert "goes: stopped, since the settings do not ask for it" in said
    stack.run(home, [Program(name=name, command=SLEEPER) for name in ("stays", "goes")])
    assert pids(home)["goes"] not in (0, before["goes"])


def test_a_killed_program_is_started_again(home: Path) -> None:
    stack.up(home, [Program(name="sleeper", command=SLEEPER)])
    first = pids(home)["sleeper"]
    os.kill(first, signal.SIGKILL)
    until(lambda: pids(home)["sleeper"] not in (0, first))


def test_a_program_that_fails_is_an_error_with_its_last_words(home: Path) -> None:
    stack.up(home)
    failing = Program(name="failing", command=[sys.executable, "-c", "raise SystemExit('no sink today')"])
    with pytest.raises(StackError, match="failing ended while it was starting") as error:
        stack.run(home, [failing])
    assert "no sink today" in error.value.detail
    assert str(home / "log" / "failing.log") in error.value.detail
    stack.stop(home, "failing")
    with pytest.raises(StackError, match=r"no program 'nothing'; there are .*failing"):
        stack.stop(home, "nothing")


def test_status_tells_health_without_passwords(home: Path) -> None:
    stack.up(home)
    parts = {part.name: part for part in stack.status(home)}
    for name in SERVERS:
        assert parts[name].healthy
        assert parts[name].memory > 2**20
    assert "headrace@127.0.0.1" in parts["postgres"].address
    os.kill(parts["postgres"].pid, signal.SIGSTOP)
    try:
        hanging = {part.name: part for part in stack.status(home)}["postgres"]
    finally:
        os.kill(parts["postgres"].pid, signal.SIGCONT)
    assert not hanging.healthy
    assert "timeout" in hanging.reason


def test_a_log_is_followed_over_a_rotation(tmp_path: Path) -> None:
    log = tmp_path / "log" / "relay.log"
    log.parent.mkdir()
    log.write_text("old 1\nold 2\nold 3\n")
    assert stack.last_lines(log, 2) == ["old 2", "old 3"]
    lines = stack.follow(stack.log_files(tmp_path, "relay"))
    followed: queue.Queue[tuple[str, str]] = queue.Queue()

    def read() -> None:
        for line in lines:
            followed.put(line)

    threading.Thread(target=read, daemon=True).start()

    def arrives(text: str) -> bool:
        # Written again until it is seen: the thread may not have opened the file yet.
        with log.open("a") as file:
            file.write(f"{text}\n")
        return ("relay", text) in list(followed.queue)

    until(lambda: arrives("new"), 10)
    log.rename(log.with_name("relay.log.1"))
    log.write_text("rotated\n")
    until(lambda: ("relay", "rotated") in list(followed.queue), 10)
    with pytest.raises(StackError, match="no log of 'nothing'"):
        stack.log_files(tmp_path, "nothing")
