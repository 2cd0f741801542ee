"""Rows as a table in the terminal."""

from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

_OUT = Console(highlight=False)


def show(found: dict[str, Any]) -> None:
    """Print rows as a table, and how many and how fresh they are."""
    rows = found["data"]
    if rows:
        table = Table()
        for name in rows[0]:
            numbers = all(isinstance(row[name], int | float) for row in rows)
            table.add_column(escape(name), justify="right" if numbers else "left", overflow="fold")
        for row in rows:
            table.add_row(*[_cell(value) for value in row.values()])
        _OUT.print(table)
    plural = "" if len(rows) == 1 else "s"
    _OUT.print(f"{len(rows):,} row{plural}{_freshness(found['freshness'])}", style="dim")
    if found.get("next"):
        _OUT.print(f"there are more: --cursor {found['next']}", style="dim", soft_wrap=True)


def show_preview(found: dict[str, Any]) -> None:
    """Print what a statement would read."""
    for read in found["reads"]:
        _OUT.print(f"{escape(read['table'])}: {read['rows']:,} rows in {read['parts']:,} parts")
    _OUT.print(f"{found['rows']:,} rows to read; nothing was run", style="dim")


def show_tables(tables: list[dict[str, Any]]) -> None:
    """Print tables and their columns."""
    for table in tables:
        columns = ", ".join(f"{name} {kind}" for name, kind in table["columns"].items())
        _OUT.print(f"[bold]{escape(table['name'])}[/] of {table['domain']}: [dim]{escape(columns)}[/]")


def _cell(value: Any) -> str:
    return "[dim]null[/]" if value is None else escape(str(value))


def _freshness(found: dict[str, Any]) -> str:
    return "".join(
        f"; {domain} up to position {fresh['position']:,}"
        + ("" if fresh["complete"] else f" of {fresh['head']:,}" if fresh["head"] is not None else ", head unknown")
        for domain, fresh in found.items()
    )
