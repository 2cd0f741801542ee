"""`headrace bench`: how fast it is here, beside a bare client and its peers."""

import json
import pkgutil
import signal
from typing import Any

import click
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from infra.bench import suites
from infra.config import Settings

# Fields of a line that have a place of their own in the table.
_SHOWN = (
    *("bench", "case", "unit", "rate", "spread", "p50_ms", "p95_ms", "p99_ms"),
    *("floor", "peers", "ratios", "goals", "missed"),
)
_NAMES = sorted(module.name for module in pkgutil.iter_modules(suites.__path__))


@click.command()
@click.argument("name", type=click.Choice(_NAMES))
@click.option("--case", "only", multiple=True, help="Only this case; may be given more than once. Default: all.")
@click.option(
    "--seconds", type=click.FloatRange(0.1), default=10.0, show_default=True, help="How long each one is measured."
)
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line: the machine, then one a case.")
@click.pass_obj
def bench(settings: Settings, name: str, only: tuple[str, ...], seconds: float, as_json: bool) -> None:
    """Measure the benchmark NAME: Headrace, a bare client doing the same input and output, and its peers.

    They run in turns, in five rounds after a warm-up, on the embedded servers or on those that HEADRACE_KAFKA and
    HEADRACE_POSTGRES name, in a database and topics of their own, which are removed at the end.
    """
    from infra.bench.run import run

    signal.signal(signal.SIGTERM, signal.default_int_handler)
    notes, out = Console(stderr=True, highlight=False), Console(highlight=False)
    bar = Progress(TextColumn("{task.description}"), BarColumn(30), TimeElapsedColumn(), console=notes, transient=True)
    with bar:
        task = bar.add_task("", total=1.0)
        lines = run(
            settings,
            name,
            only,
            seconds,
            say=lambda sentence: notes.print(f"[dim]{escape(sentence)}[/]", soft_wrap=True),
            show=lambda what, done: bar.update(task, description=escape(what), completed=done),
        )
        for line in lines:
            if as_json:
                click.echo(json.dumps(line))
            elif "machine" in line:
                out.print(_head(line), soft_wrap=True)
            else:
                out.print(_table(line))


def _head(line: dict[str, Any]) -> str:
    at = line["machine"]
    settings = ", ".join(f"{name} {value}" for name, value in line["settings"].items())
    versions = ", ".join(f"{name} {value}" for name, value in line["versions"].items())
    return escape(
        f"{at['cpu']}, {at['cores']} cores, {at['memory_gib']} GiB, {at['system']}, load {at['load']}\n"
        f"{settings}\n{versions}\n"
        f"{line['seconds']:g} s for each in {line['rounds']} rounds, taken in turns; medians"
    )


def _table(line: dict[str, Any]) -> Table:
    paced = line["unit"].startswith("ms")
    table = Table(
        "", line["unit"], "ours to it", title=f"{line['bench']} {line['case']}", title_justify="left", box=None
    )
    for column in table.columns[1:]:
        column.justify = "right"
    ours = line["p95_ms"] if paced else line["rate"]
    least, greatest = line["spread"]
    table.add_row("Headrace", f"[bold]{ours:,}[/]", f"{least:,} to {greatest:,}")
    for name, figure in {"a bare client": line["floor"], **line["peers"]}.items():
        if figure is not None:
            ratio = line["ratios"]["floor" if name == "a bare client" else name]
            table.add_row(name, f"{figure:,}", f"{ratio:.2f}")
    if "p50_ms" in line:
        table.add_row("[dim]latency p50, p95, p99[/]", f"{line['p50_ms']}, {line['p95_ms']}, {line['p99_ms']} ms")
    for name, figures in line.items():
        if name not in _SHOWN:
            table.add_row(f"[dim]{name}[/]", _figures(figures))
    for name, goal in line["goals"].items():
        met = name not in line["missed"]
        table.add_row(f"[dim]goal: {escape(name)}[/]", f"{goal:,}", "[green]met[/]" if met else "[red]missed[/]")
    return table


def _figures(figures: Any) -> str:
    if not isinstance(figures, dict):
        return f"{figures:,}"
    return escape(", ".join(f"{name} {_figures(figure)}" for name, figure in figures.items()))


COMMANDS = [bench]
