"""`headrace test`: all checks and all tests."""

import subprocess
import sys

import click

from infra.config import ROOT

_STYLE = (("ruff", "check", "."), ("ruff", "format", "--check", "."))
_TYPES = ("mypy",)
# Two processes, each with servers of its own: most tests wait for something most of the time, and a third process
# makes a machine of two processors so busy that limits of time are missed. Files are taken in their order, not the
# fullest first: the quick ones of `unit` come last, and no process is left alone with a long one.
_TESTS = ("pytest", "-n", "2", "--dist", "loadfile", "--no-loadscope-reorder", "--durations", "40")


@click.command(context_settings={"ignore_unknown_options": True})
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def test(arguments: tuple[str, ...]) -> None:
    """Check style and types, then run the tests. ARGUMENTS go to pytest; with any, only it runs.

    The types are checked while the tests run, and what is wrong with them is said at the end. The tests start the
    servers that they need and stop them again; HEADRACE_KAFKA, HEADRACE_POSTGRES and HEADRACE_CLICKHOUSE make them use
    existing ones.
    """
    sys.exit(_run("pytest", *arguments) if arguments else _check_all())


def _check_all() -> int:
    """The exit code of the first that fails, else 0."""
    for check in _STYLE:
        if code := _run(*check):
            return code
    pipe, together = subprocess.PIPE, subprocess.STDOUT
    with subprocess.Popen(_python(*_TYPES), cwd=ROOT, stdout=pipe, stderr=together, text=True) as types:
        tested = _run(*_TESTS)
        said, _ = types.communicate()
    _announce(*_TYPES)
    click.echo(said, nl=False)
    return tested or types.returncode


def _run(*command: str) -> int:
    _announce(*command)
    return subprocess.run(_python(*command), cwd=ROOT, check=False).returncode


def _announce(*command: str) -> None:
    click.echo(f"$ {' '.join(command)}", err=True)


def _python(*command: str) -> list[str]:
    return [sys.executable, "-m", *command]


COMMANDS = [test]
