"""The code of another version, as a tree of files."""

import subprocess
import tarfile
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from schemas import Invalid

ENTRY = "infra/diff/rows.py"


@contextmanager
def tree_of(repository: Path, ref: str) -> Iterator[Path]:
    """The files of a Git reference, in a temporary directory; the repository itself is left alone.

    Raises Invalid with a sentence for a reference that there is not, or whose code cannot fold for a comparison.
    """
    with tempfile.TemporaryDirectory(prefix="headrace-diff-") as made:
        tree, archive = Path(made) / "tree", Path(made) / "tree.tar"
        _git(repository, ref, "archive", "--format=tar", f"--output={archive}", f"{_commit(repository, ref)}")
        with tarfile.open(archive) as files:
            files.extractall(tree, filter="data")
        if not (tree / ENTRY).exists():
            raise Invalid(f"the code of {ref} is older than this comparison: it has no {ENTRY}", field="against")
        yield tree


def _commit(repository: Path, ref: str) -> str:
    return _git(repository, ref, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{ref}^{{commit}}").strip()


def _git(repository: Path, ref: str, *command: str) -> str:
    try:
        done = subprocess.run(["git", "-C", str(repository), *command], capture_output=True, text=True, check=False)
    except FileNotFoundError as error:
        raise Invalid("there is no git to take the other version from", field="against") from error
    if done.returncode != 0:
        why = done.stderr.strip().splitlines()
        raise Invalid(f"{ref!r} is no version in {repository}{': ' + why[-1] if why else ''}", field="against")
    return done.stdout
