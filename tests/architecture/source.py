"""The project's own source as syntax trees, for the rules on its structure."""

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
STAGES = ("producers", "streams", "sinks")
PACKAGES = ("schemas", *STAGES, "infra")


@cache
def modules() -> dict[str, ast.Module]:
    """Syntax tree of every module below the five packages, by its path from the root."""
    files = sorted(file for package in PACKAGES for file in (ROOT / package).rglob("*.py"))
    return {str(file.relative_to(ROOT)): ast.parse(file.read_text(), str(file)) for file in files}


def imports(tree: ast.AST) -> Iterator[str]:
    """Full dotted names of all that a module imports, at whatever depth."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports name their package in full"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def violations_of_import_rules(path: str, tree: ast.AST) -> list[str]:
    """Imports of `path` that break the one-way rule of the design."""
    package = path.split("/")[0]
    allowed = {"schemas": {"schemas"}, "infra": set(PACKAGES)}.get(package, {"schemas", package})
    ours = [name for name in imports(tree) if name.split(".")[0] in PACKAGES]
    bad = [name for name in ours if name.split(".")[0] not in allowed]
    domain = _domain_of(path)
    if domain:
        bad += [n for n in ours if _domain_of(n.replace(".", "/")) not in (None, domain)]
    return [f"{path} imports {name}" for name in bad]


def _domain_of(path: str) -> str | None:
    parts = path.removesuffix(".py").split("/")
    if parts[0] == "schemas" and len(parts) > 1 and parts[1][0] != "_" and parts[1].islower():
        module = ROOT / "schemas" / parts[1]
        return parts[1] if module.is_dir() or module.with_suffix(".py").exists() else None
    if len(parts) > 2 and parts[1] == "domains" and parts[2] != "__init__":
        return re.sub(r"_v\d+$", "", parts[2])  # the domain in an earlier projection
    return None
