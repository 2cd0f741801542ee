"""`headrace settings`: what can be set, and what it is now."""

import re

import click
from rich.console import Console
from rich.table import Table

from infra.config import Settings, sentences, variable


@click.command()
@click.pass_obj
def settings(current: Settings) -> None:
    """List the settings, each with its sentence and its present value; passwords are not shown."""
    table = Table(box=None, pad_edge=False)
    table.add_column("variable", no_wrap=True)
    table.add_column("now", overflow="fold")
    table.add_column("meaning")
    for name, sentence in sentences().items():
        value = re.sub(r"(//[^:/]+):[^@]*@", r"\1:***@", str(getattr(current, name)))
        table.add_row(variable(name), value, sentence)
    Console().print(table)


COMMANDS = [settings]
