"""A new domain needs no edit: what `new-domain` writes passes at once; the how-to is followed to its last answer."""

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from infra.stack import Addresses
from tests.architecture.source import ROOT
from tests.pipeline import environment, free_port
from tests.tree import copied

CONTRACT = ("tests/architecture", "tests/unit/test_query_parts.py")
_BLOCK = re.compile(r"(?:`(?P<path>[\w/.]+)`:\n\n)?```(?P<kind>python|sql|sh)\n(?P<text>.*?)```", re.DOTALL)


def _python(tree: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", *arguments], cwd=tree, capture_output=True, text=True, timeout=400, check=False
    )


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A copy of packages and tests."""
    tree = copied(tmp_path / "tree")
    shutil.copytree(ROOT / "tests", tree / "tests", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tree)
    return tree


def _content(tree: Path) -> dict[Path, bytes]:
    files = (f for f in tree.rglob("*") if f.is_file() and "__pycache__" not in f.parts and f.suffix != ".pyc")
    return {f: f.read_bytes() for f in files}


def test_what_new_domain_writes_passes_the_contract_suite_and_changes_no_file(tree: Path) -> None:
    before = _content(tree)
    made = _python(tree, "infra.cli", "new-domain", "reading_list")
    assert made.returncode == 0, made.stderr
    after = _content(tree)
    assert {path: after[path] for path in before} == before
    assert {str(path.relative_to(tree)) for path in after.keys() - before.keys()} == {
        line for line in made.stdout.splitlines() if "/" in line and " " not in line
    }
    for check in (("ruff", "check", "--no-cache", "."), ("ruff", "format", "--no-cache", "--check", ".")):
        done = _python(tree, *check)
        assert done.returncode == 0, done.stdout
    tested = _python(tree, "pytest", "-q", "-p", "no:cacheprovider", "tests/unit/test_reading_list.py", *CONTRACT)
    assert tested.returncode == 0, tested.stdout


def steps() -> Iterator[tuple[str, str]]:
    """The files of the how-to, by path, and its commands, each under an empty path, in their order."""
    for block in _BLOCK.finditer((ROOT / "docs" / "how-to" / "add-a-domain.md").read_text()):
        if block["kind"] == "sh":
            yield from (("", line) for line in block["text"].splitlines())
        else:
            assert block["path"], f"a block without a path: {block['text'][:60]}"
            yield block["path"], block["text"]


def test_the_how_to_makes_a_domain_that_is_served_from_command_to_sql(
    tree: Path, addresses: Addresses, namespace: str, tmp_path: Path
) -> None:
    port = free_port()
    own = environment(addresses, namespace, tmp_path / "home", port)
    answers: list[str] = []
    before = _content(tree)
    try:
        for path, text in steps():
            if path:
                (tree / path).write_text(text)
                continue
            shell = text.replace("./headrace", f"{sys.executable} -m infra.cli").replace(":8000", f":{port}")
            done = subprocess.run(
                ["bash", "-c", shell], cwd=tree, env=own, capture_output=True, text=True, timeout=400, check=False
            )
            assert done.returncode == 0, f"{text}\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
            answers += [done.stdout] if text.startswith("curl") else []
    finally:
        subprocess.run([sys.executable, "-m", "infra.cli", "down"], cwd=tree, env=own, timeout=60, check=False)
    written, read, longest = map(json.loads, answers)
    assert written["token"] == "notes:1"
    assert read["data"]["text"] == "four new places"
    assert longest["data"] == [{"note_id": "n-1", "length": 15, "revisions": 1}]
    assert {path: content for path, content in _content(tree).items() if path in before} == before
