"""`headrace ingest`: files of commands."""

import json
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import click
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from infra.config import Settings

if TYPE_CHECKING:
    from infra.ingest.run import Ingestion
    from infra.ingest.state import State


@click.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--domain", "name", default="orders", show_default=True, help="The domain whose commands they are.")
@click.option("--command", "kind", metavar="NAME", help="The command of rows and lines that have no `type`.")
@click.option("--rejects", type=click.Path(dir_okay=False, path_type=Path), help="Instead of FILE.rejects.ndjson.")
@click.option("--restart", is_flag=True, help="Begin at the first line, also when an earlier run was ended.")
@click.option("--json", "as_json", is_flag=True, help="The summary as one JSON object, and no progress bar.")
@click.pass_obj
def ingest(
    settings: Settings, file: Path, name: str, kind: str | None, rejects: Path | None, restart: bool, as_json: bool
) -> None:
    """Send the commands in FILE to the running API: .ndjson, .jsonl or .csv, also with .gz or .zst, or .parquet.

    A line of NDJSON is a command, or one wrapped as for the bulk route: {"command": {...}, "id": ...}. In CSV and
    Parquet each column is a field: `type` names the command, `total.amount` a field of a field, `lines.0.sku` one of
    an element of a list; a cell may also hold JSON, and empty cells are left out. `id` is the command's id and
    `expected_version` the version that it acts on. Without an id it gets one from the content of the whole file and
    its line, so that a second run of the same file changes nothing.

    A run that was ended, by Ctrl-C or by force, goes on where it was when it is started again. Refused lines are
    written to FILE.rejects.ndjson with their number and a problem document. The exit code is 1 when lines were
    refused, and 0 when every command was accepted, now or before.
    """
    from infra.ingest.lines import Lines
    from infra.ingest.run import Ingestion
    from infra.ingest.source import Source
    from infra.ingest.state import fingerprint, journal
    from infra.pipeline import domains
    from schemas import Invalid

    known = domains(settings)
    if name not in known:
        raise Invalid(f"there is no domain {name!r}; there are {', '.join(known)}", field="domain")
    out = Console(highlight=False, stderr=as_json)
    source = Source.of(file)
    content = fingerprint(file)
    with journal(settings.home, f"{known[name].key}-{content}") as kept:
        url = f"http://{settings.http_host}:{settings.http_port}/api/{name}/bulk"
        if restart:
            kept.end()
        bars = _Bars(out, source.total)
        rejected = rejects or file.with_name(file.name + ".rejects.ndjson")
        work = Ingestion(source, Lines(known[name], content, kind), url, kept, rejected, bars.show)
        if work.resume():
            out.print(f"Going on after line {work.state.line:,}, where an earlier run was ended.")
        elif rejected.exists():
            rejected.unlink()
        began = time.monotonic()
        with bars.progress:
            bars.begin(work)
            work.run()
        _tell(work, out, file, time.monotonic() - began, as_json)
    if work.state.refused:
        sys.exit(1)


class _Bars:
    """The progress bar over a file of some length."""

    def __init__(self, out: Console, total: int) -> None:
        columns = (
            BarColumn(40), TaskProgressColumn(), TextColumn("{task.fields[lines]:,} lines"),
            TextColumn("{task.fields[rate]:,.0f}/s"), TimeElapsedColumn(), TextColumn("left"), TimeRemainingColumn(),
        )  # fmt: skip
        self.progress = Progress(*columns, console=out, disable=not out.is_terminal)
        self._total = total
        self._task = self.progress.add_task("", total=total, lines=0, rate=0.0)
        self._state: State | None = None

    def begin(self, work: "Ingestion") -> None:
        """From now on `show` tells of this work."""
        self._state, self._before = work.state, work.state.answered
        self._began = self._shown = time.monotonic()

    def show(self, at: int) -> None:
        """The file is answered up to `at`."""
        now = time.monotonic()
        if self._state is None or (now - self._shown < 0.1 and at < self._total):
            return
        self._shown, lines = now, self._state.answered
        rate = (lines - self._before) / max(now - self._began, 0.001)
        self.progress.update(self._task, completed=at, lines=lines, rate=rate)


def _tell(work: "Ingestion", out: Console, file: Path, seconds: float, as_json: bool) -> None:
    state = work.state
    summary = {
        "file": str(file),
        "new": state.new,
        "repeated": state.repeated,
        "refused": state.refused,
        "seconds": round(seconds, 2),
        "rejects": str(work.rejects) if state.refused else None,
    }
    if as_json:
        click.echo(json.dumps(summary))
        return
    out.print(f"{file.name}: {state.new:,} new, {state.repeated:,} handled before, {state.refused:,} refused.")
    if state.refused:
        out.print(f"[red]Refused lines, each with its problem:[/] {work.rejects}", soft_wrap=True)


COMMANDS = [ingest]
