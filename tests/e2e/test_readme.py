"""Every command of the README runs as it stands there, in its order.

Port and data home are the test's, and of the domains the one that the README is about is served: others run beside.
"""

import json
import os
import re
import subprocess
from collections.abc import Iterator

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


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """A data home and a port of the tests' own; nothing runs there afterwards."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("HEADRACE_")}
    own = {
        **inherited,
        "HEADRACE_HOME": str(tmp_path_factory.mktemp("readme") / "home"),
        "HEADRACE_HTTP_PORT": str(free_port()),
        "HEADRACE_DOMAINS": "orders",
    }
    yield own
    subprocess.run(["./headrace", "down"], cwd=ROOT, env=own, capture_output=True, check=True, timeout=120)


def _run(command: str, environment: dict[str, str]) -> str:
    """What the command prints."""
    shell = command.replace("127.0.0.1:8000", f"127.0.0.1:{environment['HEADRACE_HTTP_PORT']}")
    shell = shell.replace(" .headrace/", f" {environment['HEADRACE_HOME']}/")
    done = subprocess.run(
        ["bash", "-c", shell], cwd=ROOT, env=environment, capture_output=True, text=True, check=False, timeout=900
    )
    assert done.returncode == 0, f"{command}\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
    return done.stdout


@pytest.fixture(scope="module")
def first_demo(environment: dict[str, str]) -> str:
    """What the README's first command prints, where nothing runs yet."""
    return _run("./headrace demo", environment)


@pytest.mark.timeout(1500)
def test_the_demo_is_exact_and_a_second_changes_nothing_and_says_so(
    first_demo: str, environment: dict[str, str]
) -> None:
    assert "Exactly what a plain pass over the file gives, to the cent." in first_demo
    assert "278,637 commands in" in first_demo
    second = json.loads(_run("./headrace demo --json", environment))
    assert second["exact"] is True
    assert (second["new"], second["repeated"]) == (0, 278_637)


@pytest.mark.timeout(1500)
@pytest.mark.usefixtures("first_demo")
def test_every_other_command_of_the_readme_runs_after_it(environment: dict[str, str]) -> None:
    first, tests, *others = commands()
    assert (first, tests) == ("./headrace demo", _ITSELF), "the README begins with its two commands"
    assert _ITSELF not in others
    for command in others:
        printed = _run(command, environment)
        if command.startswith("curl") and " -o " not in command:
            assert "problem" not in json.loads(printed).get("type", ""), f"{command}\n{printed}"
