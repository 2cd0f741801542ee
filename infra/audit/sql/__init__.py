"""The statements of the audit, one a file; `${fields}` are names of ours, never values from outside."""

from functools import cache
from importlib.resources import files
from string import Template


@cache
def _template(name: str) -> Template:
    lines = files("infra.audit.sql").joinpath(f"{name}.sql").read_text().splitlines()
    return Template("\n".join(line for line in lines if not line.startswith("--")).strip())


def statement(name: str, **fields: object) -> str:
    """The statement in `<name>.sql`, without its comments, its fields filled in."""
    return _template(name).substitute(fields)
