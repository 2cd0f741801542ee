"""How dead letters and held keys are shown on a terminal and to scripts."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click
from rich.console import Console
from rich.markup import escape
from rich.table import Table

if TYPE_CHECKING:
    from infra.letters import Letter
    from schemas import Edition


def edition(of: "Edition") -> str:
    """A version of the folds, and which build of it unless it is the first."""
    return f"{of.projection} build {of.build}" if of.build else str(of.projection)


def status(text: str) -> Any:
    """A sign of work on standard error."""
    return Console(stderr=True).status(text)


def table(columns: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> Table:
    """A table of text."""
    table = Table(box=None, pad_edge=False)
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*map(escape, row))
    return table


def letter_fields(letter: "Letter") -> dict[str, Any]:
    """A dead letter without its bytes and stack."""
    return {name: value for name, value in fields(letter).items() if name not in ("value", "stack")}


def fields(struct: Any) -> dict[str, Any]:
    """The fields of a struct by their names."""
    from msgspec.structs import asdict

    return asdict(struct)


def as_text(value: bytes | None) -> dict[str, str | None]:
    """Bytes as text where they are some, else in hexadecimal digits."""
    if value is None:
        return {}
    try:
        return {"value": value.decode()}
    except UnicodeDecodeError:
        return {"value_hex": value.hex(" ")}


def print_json(found: Any) -> None:
    """One line of JSON on standard output."""
    from schemas import encode

    click.echo(encode(found))
