"""The files of a new domain, from templates that are a small domain themselves."""

import keyword
import re
from importlib.resources import files
from pathlib import Path

from infra.config import ROOT
from schemas import Invalid, discover

# By template, the file that it becomes.
_FILES = {
    "schema": "schemas/{name}.py",
    "rules": "producers/domains/{name}.py",
    "folds": "streams/domains/{name}.py",
    "tables": "sinks/domains/{name}/__init__.py",
    "tables_sql": "sinks/domains/{name}/tables.sql",
    "query_sql": "sinks/domains/{name}/queries/items-by-status.sql",
    "test": "tests/unit/test_{name}.py",
}
# Databases that ClickHouse has, and a path that the API has.
_RESERVED = frozenset({"default", "system", "information_schema", "sql"})
_LONGEST = 40


def write_domain(name: str, root: Path = ROOT) -> list[Path]:
    """Write the files of a domain that adds and finishes items; answers their paths.

    Raises Invalid for a name that is none or is taken, before anything is written.
    """
    _check(name)
    made = {root / path.format(name=name): template for template, path in _FILES.items()}
    taken = [path for path in (*made, root / "sinks" / "domains" / name, root / "schemas" / name) if path.exists()]
    if taken:
        raise Invalid(f"{taken[0].relative_to(root)} is there already: choose another name", field="name")
    for path, template in made.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(_filled(template, name))
    return list(made)


def _check(name: str) -> None:
    if not re.fullmatch(r"[a-z][a-z0-9_]*", name) or len(name) > _LONGEST:
        raise Invalid(f"{name!r} is no name for a domain: use a-z, 0-9 and _, {_LONGEST} at most", field="name")
    if re.search(r"_v\d+$", name):
        raise Invalid(f"{name!r} is no name for a domain: _v and a number mark a projection version", field="name")
    if name in _RESERVED or keyword.iskeyword(name):
        raise Invalid(f"{name!r} means something else already: choose another name", field="name")
    if name in discover():
        raise Invalid(f"there is a domain {name!r} already: choose another name", field="name")


def _filled(template: str, name: str) -> str:
    text = files("infra.scaffold").joinpath("templates", f"{template}.txt").read_text()
    return text.replace("@name@", name).replace("@Name@", name.replace("_", " ").capitalize())
