"""`headrace demo`: the main job of a domain on its input, with the result checked."""

import json
import sys
import time
from typing import TYPE_CHECKING, Any

import click
from rich.console import Console
from rich.table import Table

from infra.config import Settings

if TYPE_CHECKING:
    from infra.demo.demo import Demo
    from infra.demo.run import Outcome


@click.command()
@click.argument("name", default="orders")
@click.option("--all", "every", is_flag=True, help="Run all demos, one after the other, on one stack.")
@click.option("--list", "listing", is_flag=True, help="Say which demos there are; run none.")
@click.option(
    "--json", "as_json", is_flag=True, help="One JSON object a demo, a line each, instead of bars and tables."
)
@click.pass_obj
def demo(settings: Settings, name: str, every: bool, listing: bool, as_json: bool) -> None:
    """Feed the input of the demo NAME as commands and check what SQL says of it, exactly.

    Starts what does not run yet, of the domains those alone that the demo needs, and leaves it running. A second run
    changes nothing: the command ids are the same. Exit code 1 when an answer differs.
    """
    from infra.demo.found import demo_of, demos

    if listing:
        _list(list(demos().values()), as_json)
        return
    chosen = list(demos().values()) if every else [demo_of(name)]
    out = Console(highlight=False, stderr=as_json)
    settings, ready = _start(settings, chosen, out)
    outcomes = {each.name: _run(settings, each, ready, out, as_json) for each in chosen}
    if every:
        _conclude(out, outcomes)
    elif not as_json:
        _tell_next(out, settings, chosen[0])
    if not all(outcome.exact for outcome in outcomes.values()):
        sys.exit(1)


def _start(settings: Settings, chosen: "list[Demo[Any]]", out: Console) -> tuple[Settings, float]:
    from infra.pipeline import bring_up
    from infra.serving import with_domains

    began = time.monotonic()
    settings = with_domains(settings, {domain for each in chosen for domain in each.domains})
    with out.status("starting Kafka, PostgreSQL, ClickHouse and the pipeline …"):
        bring_up(settings, lambda sentence: out.print(f"[dim]{sentence}[/]"))
    ready = time.monotonic() - began
    out.print(f"Everything runs after {ready:.1f} s.", end=" " if len(chosen) == 1 else "\n")
    return settings, ready


def _run(settings: Settings, each: "Demo[Any]", ready: float, out: Console, as_json: bool) -> "Outcome":
    from infra.demo.run import run
    from infra.demo.shown import bars, summary, tell

    given = each.read()
    out.print(each.opening(given))
    with bars(out) as show:
        outcome = run(settings, each, given, show)
    if as_json:
        click.echo(json.dumps(summary(each, outcome, ready)))
    else:
        tell(out, each, outcome)
    return outcome


def _conclude(out: Console, outcomes: "dict[str, Outcome]") -> None:
    out.print()
    for name, outcome in outcomes.items():
        verdict = "[green]exact[/]" if outcome.exact else f"[bold red]differs[/] in {', '.join(outcome.difference)}"
        out.print(f"{name}: {verdict}, {outcome.sent:,} commands in {outcome.seconds:.1f} s")


def _tell_next(out: Console, settings: Settings, each: "Demo[Any]") -> None:
    url = f"http://{settings.http_host}:{settings.http_port}"
    ways = [*(way.format(url=url) for way in each.next), "./headrace status", "./headrace down"]
    out.print("\nWhat next:\n  " + "\n  ".join(ways), soft_wrap=True, markup=False)


def _list(known: "list[Demo[Any]]", as_json: bool) -> None:
    if as_json:
        for each in known:
            click.echo(json.dumps({"demo": each.name, "title": each.title, "domains": each.domains}))
        return
    table = Table("demo", "what it does", box=None, pad_edge=False)
    for each in known:
        table.add_row(each.name, each.title)
    Console(highlight=False).print(table)


COMMANDS = [demo]
