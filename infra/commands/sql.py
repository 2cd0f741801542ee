"""`headrace sql`: statements of the user's own over the read models, through the running API."""

import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from infra.config import Settings
from sinks.forms import MEDIA_TYPES

if TYPE_CHECKING:
    from infra.sql.asking import Api, Question


@click.command()
@click.argument("statement", required=False)
@click.option("--domain", help="The domain whose tables need no database before their names.")
@click.option("-p", "--parameter", "pairs", multiple=True, metavar="NAME=VALUE", help="A value for {NAME:Type}.")
@click.option("--format", "form", type=click.Choice(["table", *MEDIA_TYPES]), default="table", show_default=True)
@click.option("-o", "--output", type=click.Path(dir_okay=False, path_type=Path), help="A file for the rows.")
@click.option("--preview", is_flag=True, help="Say what it would read, and do not run it.")
@click.option("--max-rows", type=click.IntRange(1, 1_000_000), default=10_000, show_default=True)
@click.option("--max-seconds", type=click.IntRange(1, 30), default=10, show_default=True)
@click.option("--max-memory", type=click.IntRange(1, 2048), default=1024, show_default=True, metavar="MIB")
@click.option("--page", type=click.IntRange(1, 10_000), help="Only so many rows; the last line says how to go on.")
@click.option("--cursor", help="Go on with the next page, as the page before said.")
@click.option("--consistency", type=click.Choice(["eventual", "token", "strong"]))
@click.option("--token", help="The token of a command's answer: its change must be visible.")
@click.option("--max-staleness", metavar="SPAN", help="How old the answer may be, as 2s or 500ms.")
@click.option(
    "--as-of", metavar="POSITION|INSTANT", help="The tables as they were then, as 1234 or 2026-01-31T12:00:00Z."
)
@click.pass_obj
def sql(
    settings: Settings,
    statement: str | None,
    domain: str | None,
    pairs: tuple[str, ...],
    form: str,
    output: Path | None,
    preview: bool,
    max_rows: int,
    max_seconds: int,
    max_memory: int,
    page: int | None,
    cursor: str | None,
    consistency: str | None,
    token: str | None,
    max_staleness: str | None,
    as_of: str | None,
) -> None:
    """Run STATEMENT, one SELECT in ClickHouse's SQL, or open a prompt with completion when there is none.

    The last version of each row counts. What is read is what the running API can see; the last line says how fresh it
    is. With `--as-of` it is what there was then; while that is being made, the command waits. `-` takes the statement
    from the standard input.
    """
    from infra.sql.asking import Api, Question
    from infra.sql.prompt import prompt
    from infra.sql.shown import show, show_preview

    if form in ("arrow", "parquet") and output is None and sys.stdout.isatty():
        raise click.UsageError(f"{form} is no text for a terminal: give --output FILE, or send it to another program")
    limits: dict[str, Any] = {"max_rows": max_rows, "max_seconds": max_seconds, "max_memory": max_memory << 20}
    limits |= {name: value for name, value in (("limit", page), ("cursor", cursor)) if value is not None}
    wished = {"consistency": consistency, "token": token, "max_staleness": max_staleness, "as_of": as_of}
    question = Question(domain, _values(pairs), limits, {name: value for name, value in wished.items() if value})
    with Api(f"http://{settings.http_host}:{settings.http_port}", partial(click.echo, err=True)) as api:
        if statement is None and sys.stdin.isatty():
            prompt(api, question, settings.home / "sql_history")
            return
        text = sys.stdin.read() if statement in (None, "-") else str(statement)
        if preview:
            show_preview(api.preview(text, question))
        elif form == "table" and output is None:
            show(api.rows(text, question))
        else:
            _write(api, text, question, MEDIA_TYPES.get(form, MEDIA_TYPES["csv"]), output)


def _write(api: "Api", text: str, question: "Question", accept: str, output: Path | None) -> None:
    parts = api.stream(text, question, accept)
    if output is None:
        for part in parts:
            click.get_binary_stream("stdout").write(part)
        return
    unfinished = output.with_name(output.name + ".part")
    try:
        with unfinished.open("wb") as file:
            for part in parts:
                file.write(part)
        unfinished.replace(output)
    finally:
        unfinished.unlink(missing_ok=True)


def _values(pairs: tuple[str, ...]) -> dict[str, str]:
    values = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals:
            raise click.UsageError(f"{pair!r} must be NAME=VALUE")
        values[name] = value
    return values


COMMANDS = (sql,)
