"""The SQL of the benchmarks: one statement a file."""

from functools import cache
from importlib import resources


@cache
def query(name: str) -> str:
    """Text of the statement `name`."""
    return resources.files("infra.bench.sql").joinpath(f"{name}.sql").read_text(encoding="utf-8")
