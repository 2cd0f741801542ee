"""A copy of the tree, in which a test may plant what it likes."""

import shutil
from collections.abc import Mapping
from pathlib import Path

from tests.architecture.source import PACKAGES, ROOT


def copied(copy: Path, files: Mapping[str, str] | None = None) -> Path:
    """Copy the packages to `copy` and add files, by path and content; none of the copied ones is changed."""
    for package in PACKAGES:
        shutil.copytree(ROOT / package, copy / package, ignore=shutil.ignore_patterns("__pycache__"))
    for name, text in (files or {}).items():
        path = copy / name
        assert not path.exists()
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return copy
