"""`headrace up`, `down`, `status` and `logs`: the servers and the pipeline on this machine."""

import dataclasses
import json
import signal
import sys
import time

import click
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from infra import stack
from infra.config import Settings
from infra.stack import Addresses, Part

_OUT = Console(highlight=False, soft_wrap=True)


def _given(settings: Settings) -> Addresses:
    # Imported here since it loads the clients of all servers, which `--help` can do without.
    from infra.pipeline import given

    return given(settings)


@click.command()
@click.pass_obj
def up(settings: Settings) -> None:
    """Start the servers, wait until each answers, then start the pipeline.

    The servers are Kafka, PostgreSQL and ClickHouse; the pipeline is the API, the relay, the sink and a worker for
    each domain. Data, logs and addresses live in HEADRACE_HOME (.headrace/ in the project). Servers that
    HEADRACE_KAFKA, HEADRACE_POSTGRES or HEADRACE_CLICKHOUSE name are used as they are.
    """
    from infra.pipeline import bring_up

    signal.signal(signal.SIGTERM, signal.default_int_handler)
    began = time.monotonic()
    if stack.running(settings.home):
        _OUT.print("The stack runs already.")
    with _OUT.status("starting …") as spinner:

        def say(sentence: str) -> None:
            spinner.update(f"{escape(sentence)} …")
            _OUT.print(f"[dim]{time.monotonic() - began:5.1f} s[/]  {escape(sentence)}")

        bring_up(settings, say)
    _show(stack.status(settings.home, given=_given(settings)))


@click.command()
@click.pass_obj
def down(settings: Settings) -> None:
    """Stop the pipeline and the servers. The data stays for the next start."""
    with _OUT.status("stopping …"):
        ran = stack.down(settings.home, say=lambda sentence: _OUT.print(f"[dim]{escape(sentence)}[/]"))
    _OUT.print("stopped" if ran else "Nothing was running.")


@click.command()
@click.option("--json", "as_json", is_flag=True, help="One JSON object for each part, one a line.")
@click.pass_obj
def status(settings: Settings, as_json: bool) -> None:
    """Show what runs: process, uptime, memory, address and health. Exit code 1 when a part is not healthy.

    Of the workers of this machine also what they do, how far behind each partition is, and how many keys are held.
    """
    from infra.pipeline import worker_data
    from infra.worker_status import as_object, show
    from streams.health import workers

    parts = stack.status(settings.home, given=_given(settings))
    found = workers(worker_data(settings))
    if as_json:
        for part in parts:
            click.echo(json.dumps(dataclasses.asdict(part)))
        for worker in found:
            click.echo(json.dumps(as_object(worker)))
    else:
        _show(parts)
        show(_OUT, found)
    if not all(part.healthy for part in parts) or not all(worker.live for worker in found):
        sys.exit(1)


@click.command()
@click.argument("name", required=False, default="")
@click.option("-f", "--follow", is_flag=True, help="Go on with what is added, until Ctrl-C.")
@click.option("-n", "--lines", type=click.IntRange(0), default=20, show_default=True, help="Last lines of each log.")
@click.pass_obj
def logs(settings: Settings, name: str, follow: bool, lines: int) -> None:
    """Show the last log lines of the program NAME, or of all."""
    files = stack.log_files(settings.home, name)
    if not files:
        _OUT.print("There are no logs yet; `headrace up` starts the stack.")
    width = max(map(len, files), default=0)

    def show(of: str, line: str) -> None:
        click.echo(line if name else f"{click.style(of.ljust(width), dim=True)}  {line}")

    for of, path in files.items():
        for line in stack.last_lines(path, lines):
            show(of, line)
    if follow:
        for of, line in stack.follow(files):
            show(of, line)


def _show(parts: list[Part]) -> None:
    table = Table(box=None, pad_edge=False)
    for column in ("part", "health", "pid", "uptime", "memory"):
        table.add_column(column, justify="right" if column in ("pid", "uptime", "memory") else "left", no_wrap=True)
    table.add_column("address", overflow="fold")
    for part in parts:
        table.add_row(
            part.name,
            "[green]good[/]" if part.healthy else f"[red]{part.state.lower()}[/]",
            str(part.pid or ""),
            _duration(part.seconds) if part.pid else "",
            f"{part.memory / 2**20:.0f} MiB" if part.memory else "",
            escape(part.address),
        )
    _OUT.print(table)
    for part in parts:
        if not part.healthy and part.state != "STOPPED":
            log = f"; log: {part.log}" if part.log else ""
            _OUT.print(f"[red]{part.name}[/]: {escape(part.reason + log)}")


def _duration(seconds: float) -> str:
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    if days:
        return f"{days} d {hours} h"
    if hours:
        return f"{hours} h {minutes:02} min"
    return f"{minutes} min {rest:02} s" if minutes else f"{rest} s"


COMMANDS = [up, down, status, logs]
