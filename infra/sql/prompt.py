"""The SQL prompt: statements end with `;`, names are completed, and the history is kept."""

from pathlib import Path

import click
from prompt_toolkit import PromptSession
from prompt_toolkit.completion import WordCompleter
from prompt_toolkit.document import Document
from prompt_toolkit.history import FileHistory
from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent

from infra.sql.asking import Api, Question
from infra.sql.shown import show, show_preview, show_tables
from schemas import HeadraceError

_HELP = """A statement is one SELECT and ends with a semicolon; it may have several lines.
  .tables            the tables and their columns
  .preview SELECT …  what a statement would read
  .help              this
  .quit, Ctrl-D      leave
Ctrl-C throws the line away, or ends a statement that runs."""
# fmt: off
_WORDS = (
    "SELECT", "FROM", "WHERE", "GROUP BY", "ORDER BY", "LIMIT", "HAVING", "JOIN", "USING", "UNION ALL", "DISTINCT",
    "BETWEEN", "LIKE", "DESC", "count", "sum", "avg", "min", "max", "uniqExact", "quantile", "toStartOfMonth", "toDate",
)
# fmt: on


def prompt(api: Api, question: Question, history: Path) -> None:
    """Read and answer until `.quit` or Ctrl-D. Raises Unavailable when the API does not answer at the start."""
    tables = api.tables()
    names = {name for table in tables for name in (table["name"], *table["columns"])}
    history.parent.mkdir(parents=True, exist_ok=True)
    session: PromptSession[str] = PromptSession(
        history=FileHistory(str(history)),
        completer=WordCompleter([*_WORDS, *sorted(names)], ignore_case=True),
        multiline=True,
        key_bindings=_keys(),
        prompt_continuation="     … ",
    )
    click.echo("One SELECT at a time, ended by a semicolon; .help says more.")
    while True:
        try:
            line = session.prompt("headrace> ").strip()
            if line in (".quit", ".exit"):
                return
            _run(api, question, line)
        except EOFError:
            return
        except KeyboardInterrupt:
            continue
        except HeadraceError as error:
            click.secho(error.detail, fg="red", err=True)


def _run(api: Api, question: Question, line: str) -> None:
    if not line or line == ";":
        return
    if line.startswith(".preview "):
        show_preview(api.preview(line.removeprefix(".preview "), question))
    elif line == ".tables":
        show_tables(api.tables())
    elif line.startswith("."):
        click.echo(_HELP)
    else:
        show(api.rows(line, question))


def _keys() -> KeyBindings:
    """Enter sends what is complete, and begins a new line in what is not."""
    keys = KeyBindings()

    @keys.add("enter")
    def _(event: KeyPressEvent) -> None:
        buffer = event.current_buffer
        if complete(buffer.document):
            buffer.validate_and_handle()
        else:
            buffer.insert_text("\n")

    return keys


def complete(document: Document) -> bool:
    """Whether what was typed can be sent: nothing, a word with a dot, or a statement with its semicolon."""
    text = document.text.strip()
    return not text or text.startswith(".") or text.endswith(";")
