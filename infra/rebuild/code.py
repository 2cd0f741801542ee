"""By which code the rows of a rebuild are folded."""

import hashlib
from pathlib import Path

import schemas
from schemas import Domain

_ROOT = Path(schemas.__file__).parents[1]
_FOLDS_NOTHING = {"kit", "processes"}  # of `streams`


def fingerprint(domain: Domain, root: Path = _ROOT) -> str:
    """SHA-256 (hex) of all code from which rows of a domain follow: its contract, its folds, and what runs them.

    Modules of other domains are no part of it. `root` is where the packages lie.
    """
    digest = hashlib.sha256()
    for package in ("schemas", "streams"):
        for file in sorted((root / package).rglob("*.py")):
            place = file.relative_to(root)
            if not _is_foreign(place.parts, domain.name):
                content = file.read_bytes()
                digest.update(b"%b\0%d\0%b" % (str(place).encode(), len(content), content))
    return digest.hexdigest()


def _is_foreign(parts: tuple[str, ...], name: str) -> bool:
    """Whether a file has nothing to do with the rows of the domain of that name."""
    if parts[0] == "schemas":
        return not parts[1].startswith("_") and Path(parts[1]).stem != name
    if parts[1] == "domains":  # a later projection may stand in a module of its own, and use the earlier one
        return not parts[2].startswith(("_", name))
    return parts[1] in _FOLDS_NOTHING
