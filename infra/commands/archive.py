"""`headrace archive`: events as Parquet files, for other tools and for the day when they are nowhere else."""

import json
import logging
import re
import sys
import threading
from collections.abc import Callable
from datetime import date
from typing import TYPE_CHECKING, Any

import click
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from infra.config import Settings, variable

if TYPE_CHECKING:
    from sinks.archive.location import Location

log = logging.getLogger(__name__)


class _RunByDefault(click.Group):
    """A group in which a first word that is no command is a domain to archive."""

    def parse_args(self, context: click.Context, arguments: list[str]) -> list[str]:
        if "-h" not in arguments[:1] and "--help" not in arguments[:1] and not set(arguments[:1]) & set(self.commands):
            arguments = ["run", *arguments]
        return super().parse_args(context, arguments)


_to = click.option("--to", metavar="URL", help="Where the archive lies; HEADRACE_ARCHIVE when it is not given.")
_as_json = click.option("--json", "as_json", is_flag=True, help="One JSON object for each domain, one a line.")
_name = click.argument("name", required=False, metavar="[DOMAIN]")


@click.group(cls=_RunByDefault)
def archive() -> None:
    """Archive events as Parquet files, by domain and day of recording, in a directory or an object store.

    `headrace archive orders --to s3://bucket/events` archives what is not archived yet, `headrace archive` all domains.
    Spark, DuckDB and ClickHouse read the files as they are; `headrace rebuild` reads them when the topic was trimmed.
    """


@archive.command()
@_name
@_to
@click.option("--until", metavar="POSITION|DAY", help="Up to this position, or through this day (2026-01-31, UTC).")
@click.option("--every", metavar="DURATION", help="Go on until Ctrl-C or SIGTERM, this often: 60s, 5m, 1h.")
@_as_json
@click.pass_obj
def run(
    settings: Settings, name: str | None, to: str | None, until: str | None, every: str | None, as_json: bool
) -> None:
    """Archive the events of all domains, or of DOMAIN, that are not archived yet.

    Only whole appends are archived, each position once. A run that was killed leaves nothing half done, and the next
    one goes on where the files end. The rolling digest of history is checked on the way: a database that does not
    continue what is archived is refused.
    """
    from infra.archiving import archive as run_archive
    from infra.pipeline import addresses, selected
    from infra.process import begin
    from schemas import arm, encode

    limit, seconds = _until(until), _seconds(every) if every else 0
    location, domains, at = _location(settings, to), selected(settings, name), addresses(settings, "postgres")
    if every:
        stop = begin(settings)
        _periodically(lambda domain: run_archive(at.postgres, domain, location, limit), domains, seconds, stop)
        return
    if settings.crash_point:
        arm(settings.crash_point)
    out = Console(highlight=False, stderr=as_json, soft_wrap=True)
    for domain in domains:
        with _progress(out, domain.key) as show:
            made = run_archive(at.postgres, domain, location, limit, show)
        if as_json:
            click.echo(encode(made))
            continue
        amount = sum(segment.last - segment.first + 1 for segment in made.added)
        out.print(
            f"[green]{domain.key}[/]: archived up to position {made.position:,} at {escape(location.url)}; "
            f"{amount:,} events in {len(made.added)} new files"
        )


@archive.command("list")
@_name
@_to
@click.option("--json", "as_json", is_flag=True, help="One JSON object for each file, one a line.")
@click.pass_obj
def list_segments(settings: Settings, name: str | None, to: str | None, as_json: bool) -> None:
    """List the files of the archive: positions, bytes, path and the rolling digest after each.

    Says so, with exit code 1, when they leave a gap, hold a position twice or do not continue each other.
    """
    from infra.pipeline import selected
    from schemas import encode
    from sinks.archive.segments import load

    location = _location(settings, to)
    out = Console(highlight=False, soft_wrap=True)
    for domain in selected(settings, name):
        segments = load(location, domain)
        for segment in segments:
            if as_json:
                click.echo(encode(segment))
            else:
                positions = f"{segment.first:,}-{segment.last:,}"
                out.print(f"{positions:>24}  {segment.bytes:>13,} B  {escape(segment.path)}  {segment.digest[:16]}")
        if not as_json and not segments:
            out.print(f"{domain.key}: nothing is archived at {escape(location.url)}")


@archive.command()
@_name
@_to
@_as_json
@click.pass_obj
def verify(settings: Settings, name: str | None, to: str | None, as_json: bool) -> None:
    """Verify the archive of all domains, or of DOMAIN, without any server.

    Reads every file: it must be the one that was written, have each position once, and every event's hash and every
    append's rolling digest must be right. The first thing that is not is said, and the exit code is 1. The digest at
    the end can be compared with a signed checkpoint (`headrace checkpoint`) of the same position.
    """
    from infra.archiving import verify as run_verify
    from infra.pipeline import selected
    from schemas import Fatal, encode

    location, bad = _location(settings, to), False
    out = Console(highlight=False, stderr=as_json, soft_wrap=True)
    for domain in selected(settings, name):
        try:
            with _progress(out, domain.key) as show:
                found = run_verify(domain, location, show)
        except Fatal as error:
            bad = True
            if as_json:
                click.echo(json.dumps({"domain": domain.key, "rule": error.rule, "detail": error.detail}))
            else:
                out.print(f"[bold red]{domain.key}[/]: {escape(error.detail)}")
            continue
        if as_json:
            click.echo(encode(found))
        else:
            out.print(
                f"[green]{domain.key}: good[/] up to position {found.position:,}: {found.segments} files, "
                f"{found.bytes:,} bytes, digest {found.digest[:16]}"
            )
    if bad:
        sys.exit(1)


class _progress:  # noqa: N801  # used like a function
    """A progress bar of positions, as a context manager that gives what to call."""

    def __init__(self, out: Console, name: str) -> None:
        self._bars = Progress(
            TextColumn("{task.description}"), BarColumn(40), MofNCompleteColumn(), TimeRemainingColumn(), console=out,
            transient=True,
        )  # fmt: skip
        self._task = self._bars.add_task(name, total=None)

    def __enter__(self) -> Callable[[int, int], None]:
        self._bars.start()
        return lambda done, total: self._bars.update(self._task, completed=done, total=total)

    def __exit__(self, *_: object) -> None:
        self._bars.stop()


def _location(settings: Settings, to: str | None) -> "Location":
    from schemas import Invalid
    from sinks.archive.location import Location

    url = to or settings.archive
    if not url:
        raise Invalid(f"say where the archive lies: --to URL, or {variable('archive')}", field="archive")
    return Location(url)


def _periodically(run_once: Callable[[Any], Any], domains: list[Any], seconds: float, stop: threading.Event) -> None:
    from schemas import Busy, Unavailable

    while not stop.is_set():
        for domain in domains:
            try:
                run_once(domain)
            except (Unavailable, Busy) as error:
                log.warning("archive of %s: %s", domain.key, error.detail)
        stop.wait(seconds)


def _until(text: str | None) -> int | date | None:
    if text is None:
        return None
    if text.isdecimal():
        return int(text)
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise click.BadParameter(
            f"{text!r} is no position and no day such as 2026-01-31", param_hint="--until"
        ) from None


def _seconds(text: str) -> float:
    found = re.fullmatch(r"([1-9]\d{0,5})(s|m|h)", text)
    if found is None:
        raise click.BadParameter(f"{text!r} is no duration such as 60s, 5m or 1h", param_hint="--every")
    return int(found[1]) * {"s": 1, "m": 60, "h": 3600}[found[2]]


COMMANDS = [archive]
