"""`headrace demo`: the main job on real input, with its result checked."""

import json
import sys
import time
from collections import Counter
from typing import Any

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from infra.config import Settings


@click.command()
@click.option("--json", "as_json", is_flag=True, help="One JSON object at the end instead of bars and tables.")
@click.pass_obj
def demo(settings: Settings, as_json: bool) -> None:
    """Feed 69,659 real purchases as commands and check what SQL says of them, to the cent.

    Starts what does not run yet and leaves it running. A second run changes nothing: the command ids are the same.
    """
    from infra.demo.run import HOPS, Outcome, Watch, run
    from infra.pipeline import bring_up

    out = Console(highlight=False, stderr=as_json)
    began = time.monotonic()
    with out.status("starting Kafka, PostgreSQL, ClickHouse and the pipeline …"):
        bring_up(settings, lambda sentence: out.print(f"[dim]{sentence}[/]"))
    ready = time.monotonic() - began
    out.print(f"Everything runs after {ready:.1f} s. 69,659 purchases go in as commands now.")
    bars = Progress(
        TextColumn("{task.description:>9}"), BarColumn(40), MofNCompleteColumn(), TimeElapsedColumn(), console=out
    )
    with bars:
        tasks = {hop: bars.add_task(hop, total=None) for hop in HOPS}

        def show(watch: Watch, answers: Counter[str], due: int) -> None:
            for hop, task in tasks.items():
                # What was handled before has passed all hops already.
                done = answers.total() if hop == "accepted" else watch.done[hop] + answers["repeated"]
                bars.update(task, completed=min(done, due), total=due)

        outcome: Outcome = run(settings, show)
    if as_json:
        click.echo(json.dumps(_summary(outcome, ready)))
    else:
        _print(out, outcome, settings)
    if not outcome.exact:
        sys.exit(1)


def _summary(outcome: Any, ready: float) -> dict[str, Any]:
    return {
        "exact": outcome.exact,
        "commands": outcome.sent,
        "new": outcome.events,
        "repeated": outcome.repeated,
        "seconds": round(outcome.seconds, 2),
        "seconds_to_start": round(ready, 2),
        "rates": outcome.rates,
        "found": outcome.found,
        "expected": outcome.expected,
    }


def _print(out: Console, outcome: Any, settings: Settings) -> None:
    months = Table("month", "orders", "revenue USD", title="Revenue by month", box=None)
    best = Table("customer", "spent USD", title="Best customers", box=None)
    for column in (*months.columns[1:], best.columns[1]):
        column.justify = "right"
    for month, (orders, revenue) in outcome.found["months"].items():
        months.add_row(month, f"{orders:,}", f"{_money(revenue)}")
    for customer, spent in outcome.found["best"]:
        best.add_row(customer, _money(spent))
    side = Table.grid(padding=(0, 6))
    side.add_row(months, best)
    out.print(side)
    whole = outcome.found
    out.print(
        f"\nTotals from SQL: {whole['customers']:,} customers, {whole['orders']:,} orders, {whole['items']:,} CDs, "
        f"{_money(whole['revenue'])} dollars, {len(whole['months'])} months."
    )
    if outcome.exact:
        out.print("[green]Exactly what a plain pass over the file gives, to the cent.[/]")
    else:
        out.print(f"[bold red]This differs from a plain pass over the file:[/] {_difference(outcome)}")
    if outcome.repeated == outcome.sent:
        out.print("Nothing was new: every command had been handled before, and its id made this run change nothing.")
    else:
        rates = ", ".join(f"{hop} {rate:,}/s" for hop, rate in outcome.rates.items())
        out.print(f"{outcome.events:,} commands in {outcome.seconds:.1f} s, start to SQL. Events by hop: {rates}.")
    url = f"http://{settings.http_host}:{settings.http_port}"
    out.print(
        f"\nWhat next:\n  curl '{url}/api/orders/cdnow-00001'\n  curl '{url}/api/orders/queries/rfm?limit=5'\n"
        "  ./headrace flow\n  ./headrace status\n  ./headrace down",
        soft_wrap=True,
    )


def _money(amount: str) -> str:
    whole, _, cents = amount.partition(".")
    return f"{int(whole):,}.{cents}"


def _difference(outcome: Any) -> dict[str, Any]:
    return {
        key: {"found": outcome.found[key], "expected": value}
        for key, value in outcome.expected.items()
        if outcome.found[key] != value
    }


COMMANDS = [demo]
