"""The rules of the architecture, each first seen to fail on a planted fault."""

import ast
import subprocess
import sys

import pytest

from schemas import discover, stage_module
from tests.architecture.source import PACKAGES, ROOT, STAGES, modules, violations_of_import_rules


def test_imports_point_one_way() -> None:
    assert [v for path, tree in modules().items() for v in violations_of_import_rules(path, tree)] == []


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("schemas/orders.py", "import infra.config"),
        ("producers/handling/handler.py", "from sinks import loader"),
        ("streams/worker.py", "def f():\n    from producers.domains import orders"),
        ("streams/domains/payments.py", "from schemas.orders import OrderPlaced"),
        ("sinks/domains/payments/__init__.py", "import sinks.domains.orders"),
    ],
)
def test_a_planted_import_in_the_wrong_direction_is_found(path: str, code: str) -> None:
    assert violations_of_import_rules(path, ast.parse(code))


def _environment_readers(trees: dict[str, ast.Module]) -> list[str]:
    names = {"environ", "getenv", "environb"}
    return [
        path
        for path, tree in trees.items()
        if any(
            (isinstance(node, ast.Attribute) and node.attr in names and ast.unparse(node.value) == "os")
            or (isinstance(node, ast.ImportFrom) and node.module == "os" and names & {a.name for a in node.names})
            for node in ast.walk(tree)
        )
    ]


def test_one_module_alone_reads_the_environment() -> None:
    assert _environment_readers(modules()) == ["infra/config.py"]


def test_a_planted_second_reader_of_the_environment_is_found() -> None:
    planted = {"a.py": ast.parse("import os\nx = os.environ['X']"), "b.py": ast.parse("from os import getenv")}
    assert _environment_readers(planted) == ["a.py", "b.py"]


def _names_from_module_paths(tree: ast.AST) -> list[int]:
    """Lines that use a module's or class's path other than for logging or for running as a program."""
    lines = []
    for node in ast.walk(tree):
        allowed: set[int] = set()
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "getLogger":
            allowed = {id(argument) for argument in node.args}
        elif isinstance(node, ast.Compare) and isinstance(node.left, ast.Name) and node.left.id == "__name__":
            allowed = {id(node.left)}
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.Name) and child.id in ("__name__", "__file__") and id(child) not in allowed:
                lines.append(child.lineno)
            if isinstance(child, ast.Attribute) and child.attr in ("__module__", "__qualname__"):
                lines.append(child.lineno)
    return sorted(lines)


def test_no_name_in_a_stage_is_built_from_a_module_path() -> None:
    stages = {p: t for p, t in modules().items() if p.split("/")[0] in (*STAGES, "schemas")}
    assert {path: found for path, tree in stages.items() if (found := _names_from_module_paths(tree))} == {}


def test_a_planted_name_from_a_module_path_is_found() -> None:
    assert _names_from_module_paths(ast.parse("topic = f'{__name__}.events'\nx = A.__module__")) == [1, 2]


@pytest.mark.parametrize("stage", STAGES)
def test_every_domain_is_complete_in_the_stage(stage: str) -> None:
    for domain in discover().values():
        for version in domain.projections:
            assert stage_module(stage, version)


def test_no_stage_has_a_module_for_a_domain_that_is_not_declared() -> None:
    domains = discover()
    versions = {version.module for domain in domains.values() for version in domain.projections}
    for stage in STAGES:
        files = {f.stem for f in (ROOT / stage / "domains").iterdir() if f.name[0] != "_"}
        assert files == (set(domains) if stage == "producers" else versions), stage


def test_importing_everything_connects_to_nothing() -> None:
    names = [p.removesuffix(".py").removesuffix("/__init__").replace("/", ".") for p in modules()]
    code = (
        "import socket, importlib, sys\n"
        "def refuse(*a): raise SystemExit(f'connected at import: {a[1:]}')\n"
        "socket.socket.connect = refuse\n"
        f"for name in {[n for n in names if not n.endswith('__main__')]!r}: importlib.import_module(name)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_no_module_is_longer_than_three_hundred_lines() -> None:
    lengths = {f: len(f.read_text().splitlines()) for p in (*PACKAGES, "tests") for f in (ROOT / p).rglob("*.py")}
    assert {str(f): n for f, n in lengths.items() if n > 300} == {}


def test_sql_lives_in_sql_files() -> None:
    starts = ("SELECT ", "INSERT INTO ", "CREATE TABLE", "UPDATE ", "DELETE FROM", "ALTER TABLE")
    found = {
        f"{path}:{node.lineno}": node.value.strip()[:60]
        for path, tree in modules().items()
        if path.split("/")[0] in ("producers", "sinks")
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
        if node.value.strip().upper().startswith(starts) and len(node.value) > 12
    }
    assert found == {}
