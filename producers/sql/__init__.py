"""The SQL of the write side: one statement a file, and the migrations."""

from functools import cache
from importlib import resources


@cache
def query(name: str) -> str:
    """Text of the statement `name`."""
    return resources.files("producers.sql").joinpath(f"{name}.sql").read_text(encoding="utf-8")
