"""Ports of the servers: kept, given up when taken, and never chosen twice at once."""

import subprocess
import sys
from pathlib import Path

import pytest

from infra.stack import ports
from infra.stack.errors import StackError
from infra.stack.ports import Ports

_HOLDER = """
import sys
from pathlib import Path
from infra.stack import ports
ports._RANGE = range(int(sys.argv[2]), int(sys.argv[2]) + 1)
with ports.Ports(Path(sys.argv[1])) as taken:
    print(taken.take("kafka")[0], flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def port(tmp_path: Path) -> int:
    """A port that is free."""
    with Ports(tmp_path / "any.json") as taken:
        return taken.take("any")[0]


def test_a_port_that_another_start_has_chosen_is_not_chosen_though_nothing_listens_on_it_yet(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, port: int
) -> None:
    monkeypatch.setattr(ports, "_RANGE", range(port, port + 1))
    command = [sys.executable, "-c", _HOLDER, str(tmp_path / "other.json"), str(port)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None
        assert int(other.stdout.readline()) == port
        assert ports.is_free(port)
        with Ports(tmp_path / "ours.json") as ours, pytest.raises(StackError, match="no free port"):
            ours.take("kafka")
        other.communicate("")
    with Ports(tmp_path / "ours.json") as ours:
        assert ours.take("kafka") == (port, None)


def test_a_port_is_kept_from_start_to_start(tmp_path: Path) -> None:
    file = tmp_path / "ports.json"
    with Ports(file) as first:
        port, _ = first.take("kafka")
    with Ports(file) as second:
        assert second.take("kafka") == (port, None)


def test_a_port_that_is_in_use_is_left_for_another_and_named(tmp_path: Path) -> None:
    file = tmp_path / "ports.json"
    with Ports(file) as first:
        port, _ = first.take("kafka")
        with Ports(file) as second:
            moved, before = second.take("kafka")
    assert (before, moved != port) == (port, True)
