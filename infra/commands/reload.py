"""`headrace reload`: load a domain's events anew into ClickHouse, into tables that take the place of the live ones."""

import json

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from infra.config import Settings
from infra.pipeline import addresses, selected
from infra.process import begin

_SAID = {
    "load": "loading anew, beside the live tables",
    "pause": "loading pauses; inserts under way may still come",
    "exchange": "exchanging the tables",
}


@click.command()
@click.argument("domain")
@click.option("--json", "as_json", is_flag=True, help="What was loaded, as one JSON object.")
@click.pass_obj
def reload(settings: Settings, domain: str, as_json: bool) -> None:
    """Load the events of DOMAIN and their rollups anew, from the first record of their topic.

    For tables that cannot be trusted any more: ClickHouse lost or doubled a batch, offsets expired or were set back,
    or a rollup is to be defined otherwise. Queries and loading go on; at the end loading pauses for half a minute,
    the tables are exchanged, and the sinks go on by themselves. Ctrl-C leaves the live tables as they were; the next
    call goes on where this one was.
    """
    from sinks.reload import Reload

    [chosen] = selected(settings, domain)
    stop, at = begin(settings), addresses(settings, "kafka", "clickhouse")
    out = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=out, transient=True) as bars:
        task = bars.add_task("", total=None)

        def show(step: str, done: int, total: int) -> None:
            bars.update(task, description=_SAID[step], completed=done, total=total or None)

        done = Reload(at.kafka, at.clickhouse, chosen, show).run(stop)
    if done is None:
        raise KeyboardInterrupt
    if as_json:
        click.echo(json.dumps({"domain": chosen.name, "events": done.events, "position": done.position}))
    else:
        click.echo(f"{chosen.name}: {done.events} events up to position {done.position} are loaded anew")


COMMANDS = [reload]
