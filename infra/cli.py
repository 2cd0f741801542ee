"""The command line `headrace`: finds the commands, turns errors into sentences."""

import importlib
import pkgutil
import sys

import click
from rich.console import Console
from rich.markup import escape

from infra import commands
from infra.config import read
from schemas import HeadraceError


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="headrace")
@click.pass_context
def cli(context: click.Context) -> None:
    """From a command to an SQL answer, with proof that no event was lost, doubled or altered.

    Start with `headrace demo`. Settings come from HEADRACE_* variables; `headrace settings` lists them.
    """
    context.obj = read()


def _collect() -> None:
    for module in pkgutil.iter_modules(commands.__path__):
        for command in importlib.import_module(f"infra.commands.{module.name}").COMMANDS:
            cli.add_command(command)


def main() -> None:
    """Run the command line; ends the process with 0, 1 (an error, said in a sentence) or 130 (Ctrl-C)."""
    _collect()
    try:
        cli.main(prog_name="headrace", standalone_mode=False)
    except HeadraceError as error:
        Console(stderr=True, soft_wrap=True).print(f"[bold red]headrace:[/] {escape(error.detail)}", highlight=False)
        sys.exit(1)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except (click.Abort, KeyboardInterrupt):
        click.echo("stopped", err=True)
        sys.exit(130)


if __name__ == "__main__":
    main()
