"""`headrace test`: all checks and all tests."""

import subprocess
import sys

import click

from infra.config import ROOT

_CHECKS = (("ruff", "check", "."), ("ruff", "format", "--check", "."), ("mypy",))
# Two processes, each with servers of its own: most tests wait for something most of the time.
_ALL = ("-n", "2", "--dist", "loadfile", "--durations", "40")


@click.command(context_settings={"ignore_unknown_options": True})
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def test(arguments: tuple[str, ...]) -> None:
    """Check style and types, then run the tests. ARGUMENTS go to pytest; with any, only it runs.

    The tests start the servers that they need and stop them again; HEADRACE_KAFKA, HEADRACE_POSTGRES and
    HEADRACE_CLICKHOUSE make them use existing ones.
    """
    commands = [(*check,) for check in _CHECKS] if not arguments else []
    for command in [*commands, ("pytest", *(arguments or _ALL))]:
        click.echo(f"$ {' '.join(command)}", err=True)
        code = subprocess.run([sys.executable, "-m", *command], cwd=ROOT, check=False).returncode
        if code:
            sys.exit(code)


COMMANDS = [test]
