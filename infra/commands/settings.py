"""`headrace settings`: what can be set, and what it is now."""

import dataclasses

import click
from rich.console import Console
from rich.table import Table

from infra.config import Settings, variable


@click.command()
@click.pass_obj
def settings(current: Settings) -> None:
    """List the settings, each with its sentence and its present value."""
    table = Table("variable", "now", "meaning", box=None, pad_edge=False)
    for setting in dataclasses.fields(Settings):
        table.add_row(variable(setting.name), str(getattr(current, setting.name)), setting.metadata["sentence"])
    Console().print(table)


COMMANDS = [settings]
