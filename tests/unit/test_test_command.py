"""`headrace test`: the style is checked first, the types while the tests run, and whatever fails makes it fail."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from infra.commands.test import test as command

Tool = Callable[..., None]
STYLE = ["ruff check .", "ruff format --check ."]


@pytest.fixture
def tool(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Tool:
    """Makes a stand-in for a tool: it does something, notes that it ran and how, says `words`, and ends with `code`."""
    monkeypatch.setattr("infra.commands.test.ROOT", tmp_path)

    def make(name: str, code: int = 0, words: str = "", first: str = "") -> None:
        note = f"open('ran', 'a').write(' '.join(['{name}', *sys.argv[1:]]) + '\\n')"
        (tmp_path / f"{name}.py").write_text(f"import sys\n{first}\n{note}\nprint({words!r})\nsys.exit({code})\n")

    for name in ("ruff", "mypy", "pytest"):
        make(name)
    return make


def _run(*arguments: str) -> int | str | None:
    with pytest.raises(SystemExit) as end:
        command.main(arguments, standalone_mode=False)
    return end.value.code


def _ran(tmp_path: Path) -> list[str]:
    return (tmp_path / "ran").read_text().splitlines()


def test_style_types_and_tests_are_checked(tool: Tool, tmp_path: Path) -> None:
    del tool
    assert _run() == 0
    assert _ran(tmp_path)[:2] == STYLE
    assert sorted(words.split()[0] for words in _ran(tmp_path)[2:]) == ["mypy", "pytest"]


def test_with_arguments_the_tests_alone_run(tool: Tool, tmp_path: Path) -> None:
    tool("pytest", code=5)
    assert _run("-k", "nothing") == 5
    assert _ran(tmp_path) == ["pytest -k nothing"]


def test_after_a_fault_of_style_nothing_more_is_checked(tool: Tool, tmp_path: Path) -> None:
    tool("ruff", code=1)
    assert _run() == 1
    assert _ran(tmp_path) == STYLE[:1]


def test_the_types_are_checked_while_the_tests_run(tool: Tool, tmp_path: Path) -> None:
    # Each end of a pipe waits until the other is opened.
    os.mkfifo(tmp_path / "meeting")
    tool("mypy", first="open('meeting', 'rb')")
    tool("pytest", first="open('meeting', 'wb')")
    assert _run() == 0


def test_wrong_types_fail_it_and_are_said_after_the_tests(tool: Tool, capfd: pytest.CaptureFixture[str]) -> None:
    tool("mypy", code=1, words="wrong types")
    tool("pytest", words="all passed")
    assert _run() == 1
    assert capfd.readouterr().out.split("\n")[-3:-1] == ["all passed", "wrong types"]


def test_failed_tests_fail_it(tool: Tool) -> None:
    tool("pytest", code=2)
    assert _run() == 2
