"""Every command of the README runs as it stands there, in its order.

Port and data home are the test's, and of the domains the one that the README is about is served: others run beside.
"""

import json
import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.architecture.source import ROOT
from tests.pipeline import free_port

_ITSELF = "./headrace test"  # what runs this test


def commands() -> list[str]:
    """The commands of the README's `sh` blocks; one that goes on over several lines is one."""
    found: list[str] = []
    for block in re.findall(r"```sh\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL):
        for line in block.splitlines():
            quoted = bool(found) and found[-1].count("'") % 2 == 1
            if quoted:
                found[-1] += "\n" + line
            elif line.strip():
                found.append(line)
    return found


@pytest.fixture
def environment(tmp_path: Path) -> Iterator[dict[str, str]]:
    """A data home and a port of the test's own; nothing runs there afterwards."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("HEADRACE_")}
    own = {
        **inherited,
        "HEADRACE_HOME": str(tmp_path / "home"),
        "HEADRACE_HTTP_PORT": str(free_port()),
        "HEADRACE_DOMAINS": "orders",
    }
    yield own
    subprocess.run(["./headrace", "down"], cwd=ROOT, env=own, capture_output=True, check=True, timeout=120)


@pytest.mark.timeout(1500)
def test_every_command_of_the_readme_runs(environment: dict[str, str]) -> None:
    listed = commands()
    assert listed[:2] == ["./headrace demo", _ITSELF], "the README begins with its two commands"
    for command in listed:
        if command == _ITSELF:
            continue
        shell = command.replace("127.0.0.1:8000", f"127.0.0.1:{environment['HEADRACE_HTTP_PORT']}")
        shell = shell.replace(" .headrace/", f" {environment['HEADRACE_HOME']}/")
        done = subprocess.run(
            ["bash", "-c", shell], cwd=ROOT, env=environment, capture_output=True, text=True, check=False, timeout=900
        )
        assert done.returncode == 0, f"{command}\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
        if command.startswith("curl") and " -o " not in command:
            assert "problem" not in json.loads(done.stdout).get("type", ""), f"{command}\n{done.stdout}"
        if command == "./headrace demo":
            assert "Exactly what a plain pass over the file gives, to the cent." in done.stdout


@pytest.mark.timeout(1500)
def test_a_second_demo_changes_nothing_and_says_so(environment: dict[str, str]) -> None:
    def demo() -> dict[str, object]:
        done = subprocess.run(
            ["./headrace", "demo", "--json"], cwd=ROOT, env=environment, capture_output=True, text=True, check=True
        )
        result: dict[str, object] = json.loads(done.stdout)
        return result

    first, second = demo(), demo()
    assert first["exact"] is True
    assert (first["new"], first["repeated"]) == (278_637, 0)
    assert second["exact"] is True
    assert (second["new"], second["repeated"]) == (0, 278_637)
    assert first["found"] == second["found"]
