"""`headrace diff`: a code review for data."""

import json
import sys
from functools import partial
from typing import TYPE_CHECKING, Any

import click
from rich.console import Console
from rich.markup import escape
from rich.progress import Progress, TaskID, TextColumn, TimeElapsedColumn

from infra.config import ROOT, Settings

if TYPE_CHECKING:
    from infra.diff.rows import Order
    from infra.diff.run import Difference

_SHOWN = 60


@click.command()
@click.argument("name", required=False, metavar="[DOMAIN]")
@click.option("--against", required=True, metavar="REF", help="The version to compare with: a branch, tag or commit.")
@click.option("--archive", metavar="URL", help="Fold what is in this archive, without any server.")
@click.option(
    "--upto", type=click.IntRange(1), metavar="POSITION", help="Fold the events up to POSITION; default: all."
)
@click.option("--limit", type=click.IntRange(0), default=10, show_default=True, help="Changes to show an aggregate.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object for each domain, one a line.")
@click.pass_obj
def diff(
    settings: Settings,
    name: str | None,
    against: str,
    archive: str | None,
    upto: int | None,
    limit: int,
    as_json: bool,
) -> None:
    """Show which rows and columns change when the folds of REF are replaced by those of this tree.

    Folds the recorded history of all domains, or of DOMAIN, twice: with the code of REF, taken from Git, and with the
    code as it stands here, changes that are not committed included. Nothing is written to any server, and no table is
    touched. The exit code is 0 when no row changes, 1 when one does, 2 when that cannot be said: for continuous
    integration, with --archive. Events that `headrace dead-letters skip` left out are folded with --archive.
    """
    from schemas import HeadraceError

    out = Console(highlight=False, stderr=as_json, soft_wrap=True)
    try:
        differs = _compare(settings, name, against, archive, upto, limit, as_json, out)
    except HeadraceError as error:
        Console(stderr=True, soft_wrap=True).print(f"[bold red]headrace:[/] {escape(error.detail)}", highlight=False)
        sys.exit(2)
    if differs:
        sys.exit(1)


def _compare(
    settings: Settings,
    name: str | None,
    against: str,
    archive: str | None,
    upto: int | None,
    limit: int,
    as_json: bool,
    out: Console,
) -> bool:
    """Compare and show; answers whether a row changes."""
    from infra.diff.run import difference
    from infra.pipeline import selected

    differs = False
    for domain in selected(settings, name):
        order = _order(settings, domain, archive, upto)
        if order is None:
            out.print(f"{domain.name}: no event is recorded")
            continue
        columns = (TextColumn("{task.description}"), TextColumn("{task.completed:,} records"), TimeElapsedColumn())
        with Progress(*columns, console=out, transient=True) as bars:
            show = partial(_update, bars, bars.add_task(f"{domain.name}: folding twice"))
            found = difference(ROOT, against, order, limit, show)
        differs = differs or found.differs
        _show(out, found, as_json)
    return differs


def _update(bars: Progress, task: TaskID, records: int) -> None:
    bars.update(task, completed=records)


def _order(settings: Settings, domain: Any, archive: str | None, upto: int | None) -> "Order | None":
    """What to fold; None when there is no event."""
    from infra.archived import ArchivedSource
    from infra.diff.rows import Order
    from infra.history import recorded
    from infra.pipeline import addresses

    names = {"domain": domain.name, "namespace": settings.namespace, "out": ""}
    if archive is not None:
        position = ArchivedSource(domain, archive).end if upto is None else upto
        return Order(**names, position=position, archive=archive) if position else None
    at = addresses(settings, "kafka", "postgres")
    position = recorded(domain, at).head() if upto is None else upto
    servers = {"kafka": at.kafka, "postgres": at.postgres, "archive": settings.archive}
    return Order(**names, position=position, **servers) if position else None


def _show(out: Console, found: "Difference", as_json: bool) -> None:
    from schemas import encode

    if as_json:
        click.echo(encode(found))
        return
    verdict = "[yellow]rows change[/]" if found.differs else "[green]no row changes[/]"
    out.print(f"{found.domain} at position {found.position:,}, against {escape(found.against)}: {verdict}")
    for each in found.aggregates:
        counts = ", ".join(f"{each[kind]:,} {kind}" for kind in ("added", "removed", "changed") if each[kind])
        if counts:
            columns = ", ".join(f"{column} in {rows:,}" for column, rows in each["columns"].items())
            out.print(f"  [bold]{each['aggregate']}[/] ({each['rows']:,} rows): {counts}", end="")
            out.print(f" [dim]({escape(columns)})[/]" if columns else "")
    for change in found.changes:
        out.print(f"  {change.change} {change.aggregate} [bold]{escape(change.key)}[/]")
        for column, (old, new) in change.columns.items():
            out.print(f"    {escape(column)}: [red]{_value(old)}[/] → [green]{_value(new)}[/]")


def _value(value: Any) -> str:
    text = "–" if value is None else json.dumps(value, ensure_ascii=False)
    return escape(text if len(text) <= _SHOWN else f"{text[: _SHOWN - 1]}…")


COMMANDS = [diff]
