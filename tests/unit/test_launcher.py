"""The launcher `headrace`, on a tiny project of its own that needs no package registry."""

import ast
import os
import shutil
import signal
import subprocess
import sys
import textwrap
from collections.abc import Mapping
from pathlib import Path

import psutil
import pytest

from tests.architecture.source import ROOT
from tests.pipeline import until

# A build backend that makes an editable wheel by itself, so that pip has nothing to fetch.
BACKEND = """
import os, pathlib, time, zipfile

def build_editable(wheel_directory, config_settings=None, metadata_directory=None):
    with open("builds", "a") as builds:
        builds.write("built\\n")
    while os.path.exists("wait"):
        time.sleep(0.05)
    name, info = "headrace-1-py3-none-any.whl", "headrace-1.dist-info"
    dev = pathlib.Path("dev").read_text() if os.path.exists("dev") else ""
    needs = f"Provides-Extra: dev\\n" + (f"Requires-Dist: {dev}; extra == 'dev'\\n" if dev else "")
    with zipfile.ZipFile(os.path.join(wheel_directory, name), "w") as wheel:
        wheel.writestr("project.pth", os.getcwd())
        wheel.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\\nName: headrace\\nVersion: 1\\n{needs}")
        wheel.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n")
        wheel.writestr(f"{info}/entry_points.txt", "[console_scripts]\\nheadrace = cli:main\\n")
        wheel.writestr(f"{info}/RECORD", "")
    return name
"""
PROJECT = '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n'
CLI = "import os, sys\ndef main(): print(sys.argv[1:], os.getcwd()); sys.exit(7 if 'fail' in sys.argv else 0)\n"


def _write_project(root: Path) -> Path:
    (root / "infra").mkdir(parents=True)
    shutil.copy(ROOT / "headrace", root)
    files = {"pyproject.toml": PROJECT, "infra/constraints.txt": "", "backend.py": BACKEND, "cli.py": CLI}
    for name, text in files.items():
        (root / name).write_text(text)
    return root


@pytest.fixture
def bare_project(tmp_path: Path) -> Path:
    """A project with the launcher, as it is cloned."""
    return _write_project(tmp_path / "a project")


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project that was started once."""
    root = _write_project(tmp_path_factory.mktemp("installed") / "project")
    assert launch(root).returncode == 0
    return root


@pytest.fixture
def project(installed: Path, tmp_path: Path) -> Path:
    """A project that came from another place with its environment, which takes longest to make: it is to be installed.

    `dev` in it names a package that the dev extra needs.
    """
    root = shutil.copytree(installed, tmp_path / "a project", symlinks=True)
    (root / "builds").unlink()
    return root


def environment(tmp_path: Path, **more: str) -> dict[str, str]:
    """Of a bare machine: an empty home, no uv, no registry."""
    empty = tmp_path / "empty"
    empty.mkdir(exist_ok=True)
    return {"HOME": str(empty), "PATH": "/usr/bin:/bin", "PIP_NO_INDEX": "1", **more}


def launch(project: Path, *arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(project / "headrace"), *arguments],
        cwd=project.parent,
        env=environment(project.parent, **more),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def builds(project: Path) -> int:
    path = project / "builds"
    return len(path.read_text().splitlines()) if path.exists() else 0


def test_the_first_start_installs_and_the_second_does_not(bare_project: Path) -> None:
    first = launch(bare_project, "one", "two words")
    assert first.stdout == f"['one', 'two words'] {bare_project.parent}\n", first.stderr
    assert "Installing Headrace's packages" in first.stderr
    second = launch(bare_project, "fail")
    assert (second.returncode, second.stderr) == (7, "")
    assert builds(bare_project) == 1


@pytest.mark.parametrize("changed", ["pyproject.toml", "infra/constraints.txt"])
def test_a_changed_list_of_packages_is_installed_again(project: Path, changed: str) -> None:
    launch(project)
    with (project / changed).open("a") as file:
        file.write("# changed\n")
    assert launch(project).returncode == 0
    assert launch(project).stderr == ""
    assert builds(project) == 2


def test_an_environment_of_another_python_is_made_anew(project: Path) -> None:
    launch(project)
    (project / ".venv" / "bin" / "python").unlink()
    again = launch(project)
    assert (again.returncode, builds(project)) == (0, 2), again.stderr


def test_a_moved_project_is_installed_again(project: Path) -> None:
    launch(project)
    moved = project.rename(project.with_name("moved"))
    assert launch(moved).returncode == 0
    assert builds(moved) == 2


def test_an_interrupted_installation_is_not_taken_for_a_good_one(project: Path) -> None:
    (project / "wait").touch()
    starting = subprocess.Popen(
        [sys.executable, str(project / "headrace")],
        env=environment(project.parent),
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    until(lambda: builds(project) == 1, what="the build has begun")
    os.killpg(starting.pid, signal.SIGKILL)
    starting.communicate(timeout=20)
    (project / "wait").unlink()
    assert not (project / ".venv" / "headrace.stamp").exists()
    assert launch(project).returncode == 0
    assert builds(project) == 2


def test_ctrl_c_stops_the_installer_too(project: Path) -> None:
    (project / "wait").touch()
    starting = subprocess.Popen(
        [sys.executable, str(project / "headrace")], env=environment(project.parent), stderr=subprocess.PIPE
    )
    until(lambda: builds(project) == 1, what="the build has begun")
    children = psutil.Process(starting.pid).children(recursive=True)
    starting.send_signal(signal.SIGINT)
    _, words = starting.communicate(timeout=20)
    assert starting.returncode == 130
    assert b"The next start installs again" in words
    (project / "wait").unlink()
    until(lambda: not any(child.is_running() for child in children), 20)


def test_of_two_starts_at_once_one_installs(project: Path) -> None:
    (project / "wait").touch()
    command = [sys.executable, str(project / "headrace")]
    settings: Mapping[str, str] = environment(project.parent)
    first = subprocess.Popen(command, env=settings, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    until(lambda: builds(project) == 1)
    second = subprocess.Popen(command, env=settings, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert second.stderr is not None
    assert b"Another start is installing" in second.stderr.readline()
    (project / "wait").unlink()
    for process in (first, second):
        output, words = process.communicate(timeout=60)
        assert process.returncode == 0, words
        assert output.startswith(b"[]")
    assert builds(project) == 1


def test_a_package_that_is_not_to_be_had_is_named(project: Path) -> None:
    (project / "dev").write_text("no-such-package==1.2.3")
    failed = launch(project)
    assert failed.returncode == 1
    assert "is not to be had for this Python" in failed.stderr
    assert "no-such-package==1.2.3" in failed.stderr
    assert not (project / ".venv" / "headrace.stamp").exists()


def test_a_registry_out_of_reach_is_said(project: Path) -> None:
    (project / "dev").write_text("no-such-package==1.2.3")
    failed = launch(
        project, PIP_NO_INDEX="0", PIP_INDEX_URL="http://127.0.0.1:9/", PIP_RETRIES="1", PIP_DEFAULT_TIMEOUT="2"
    )
    assert failed.returncode == 1
    assert "The package registry is out of reach" in failed.stderr


def test_a_python_without_venv_is_told_what_to_install(bare_project: Path) -> None:
    broken = bare_project.parent / "broken"
    broken.mkdir()
    (broken / "ensurepip.py").write_text("raise ImportError('as on Debian without python3-venv')\n")
    failed = launch(bare_project, PYTHONPATH=str(broken))
    assert failed.returncode == 1
    assert f"apt-get install python3.{sys.version_info.minor}-venv" in failed.stderr
    assert "Traceback" not in failed.stderr


def _as_if_old(project: Path, path: str) -> subprocess.CompletedProcess[str]:
    code = textwrap.dedent("""
        import sys
        script, sys.argv = sys.argv[1], sys.argv[1:]
        sys.version_info = (3, 8, 18)
        exec(compile(open(script).read(), script, "exec"), {"__name__": "__main__", "__file__": script})
    """)
    return subprocess.run(
        [sys.executable, "-c", code, str(project / "headrace"), "x"],
        env=environment(project.parent, PATH=path),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_an_old_python_says_which_one_is_needed(bare_project: Path) -> None:
    (bare_project.parent / "empty").mkdir()
    failed = _as_if_old(bare_project, str(bare_project.parent / "empty"))
    assert failed.returncode == 1
    assert "needs Python 3.11 or newer; this is 3.8" in failed.stderr


def test_an_old_python_hands_over_to_a_newer_one(project: Path) -> None:
    newer = project.parent / "newer"
    newer.mkdir()
    # Found first and broken, as a version manager's shim is for a version that is not installed.
    shim = newer / "python3.14"
    shim.write_text("#!/bin/sh\nexit 127\n")
    shim.chmod(0o755)
    (newer / "python3.13").symlink_to(Path(sys.executable).resolve())
    done = _as_if_old(project, f"{newer}:/usr/bin:/bin")
    assert (done.returncode, done.stdout[:5]) == (0, "['x']"), done.stderr


def test_the_launcher_is_readable_for_an_old_python() -> None:
    text = (ROOT / "headrace").read_text()
    ast.parse(text, feature_version=(3, 4))
    assert text.startswith("#!/usr/bin/env python3\n")
    assert (ROOT / "headrace").stat().st_mode & 0o111
