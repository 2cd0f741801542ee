"""A benchmark says where it ran and refuses a place in memory; it leaves nothing behind, however it ends."""

import json
import signal
import subprocess
from collections.abc import Callable, Sequence

import pytest

from infra.bench import machine
from infra.bench.errors import BenchError
from infra.bench.run import run
from infra.config import Settings
from schemas import Invalid
from tests.pipeline import until

Start = Callable[[Sequence[str]], "subprocess.Popen[str]"]
MOUNTS = """/dev/vda / ext4 rw 0 0
tmpfs /dev/shm tmpfs rw 0 0
/dev/vdb /data xfs rw 0 0
tmpfs /data/in\\040memory tmpfs rw 0 0
/dev/vdc /data/in\\040memory ext4 rw 0 0
"""


@pytest.mark.parametrize(
    ("directory", "kind"),
    [
        ("/var/lib/postgres", "ext4"),
        ("/dev/shm", "tmpfs"),
        ("/dev/shm/postgres", "tmpfs"),
        ("/dev/shmem", "ext4"),
        ("/data/postgres", "xfs"),
        ("/data/in memory/postgres", "ext4"),
    ],
)
def test_the_file_system_of_a_directory_is_that_of_the_nearest_and_last_mount(directory: str, kind: str) -> None:
    assert machine.file_system_of(directory, MOUNTS) == kind


def test_a_data_directory_in_memory_is_refused(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "file_system_of", lambda *_: "tmpfs")
    with pytest.raises(BenchError, match="is on tmpfs, that is in memory: nothing is durable there"):
        list(run(settings, "append", (), 0.1, say=print, show=print))


def test_an_unknown_case_is_named_with_those_there_are(settings: Settings) -> None:
    with pytest.raises(Invalid, match="bench append has no case 'bulk'; it has batch, guarded, batch-one, single"):
        list(run(settings, "append", ("bulk",), 0.1, say=print, show=print))


def test_the_command_prints_the_machine_and_then_a_line_a_case(bench: Start, databases: Callable[[], set[str]]) -> None:
    out, err = bench(["append", "--case", "batch", "--json", "--seconds", "0.1"]).communicate(timeout=120)
    head, case = map(json.loads, out.splitlines())
    assert head["machine"]["cores"] > 0
    assert head["machine"]["memory_gib"] > 0
    assert head["machine"]["cpu"]
    assert head["versions"]["postgres"]
    assert {"fsync", "synchronous_commit", "file_system"} <= head["settings"].keys()
    assert (case["bench"], case["case"]) == ("append", "batch")
    assert case["rate"] > 0
    assert not databases(), err


def test_ctrl_c_ends_a_run_and_removes_what_it_made(bench: Start, databases: Callable[[], set[str]]) -> None:
    process = bench(["append", "--seconds", "100"])
    until(databases, what="the run has its database")
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    assert not databases()


def test_what_a_killed_run_left_is_removed_by_the_next_one_but_not_what_is_in_use(
    bench: Start, databases: Callable[[], set[str]]
) -> None:
    killed = bench(["append", "--seconds", "100"])
    [left] = until(databases, what="the run has its database")
    killed.kill()
    killed.wait()
    running = bench(["append", "--seconds", "100"])
    until(lambda: databases() - {left}, what="the second run has its database")
    [used] = databases()
    assert used != left
    bench(["append", "--case", "single", "--seconds", "0.1"]).communicate(timeout=120)
    assert databases() == {used}
    running.send_signal(signal.SIGTERM)
    running.communicate(timeout=60)
    assert not databases()
