"""`headrace schemas`: check changes of commands, events and aggregates, release them, export documents of them."""

import sys
from pathlib import Path
from typing import Any

import click
import msgspec
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from infra.config import Settings
from infra.contract.changes import Change, changes, missing
from infra.contract.released import Document, document, released, write
from schemas import Domain, Refused, discover


@click.group("schemas")
def group() -> None:
    """Check, release and export the schemas of commands, events and aggregates."""


@group.command()
@click.argument("name", required=False, metavar="[DOMAIN]")
@click.option(
    "--against",
    type=click.Choice(["released", "history", "both"]),
    default="both",
    show_default=True,
    help="The last released schemas, all events stored in PostgreSQL, or both.",
)
@click.option("--jobs", type=click.IntRange(1, 64), help="Processes that read history; default: one a processor.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a domain instead of lines and bars.")
@click.pass_obj
def check(settings: Settings, name: str | None, against: str, jobs: int | None, as_json: bool) -> None:
    """Say what today's schemas change against the released ones, and whether every stored event still loads.

    Looks at all domains, or at DOMAIN. Ends with 1 when a change is breaking and nothing covers it, or when an event
    does not load.
    """
    known, out, good = _selected(settings, name), Console(highlight=False, soft_wrap=True, stderr=as_json), True
    before = released()
    gone = [] if name else [each for each in before if each not in discover()]  # not: that are not served here
    for domain_name in [*known, *gone]:
        report: dict[str, Any] = {"domain": domain_name}
        if against != "history":
            found = _against_release(known.get(domain_name), before.get(domain_name), domain_name, out)
            report["released"] = domain_name in before
            report["changes"] = [{**msgspec.to_builtins(each), "breaking": each.breaking} for each in found]
            good &= not any(each.breaking for each in found)
        if against != "released" and domain_name in known:
            report["history"] = history = _against_history(settings, known[domain_name], jobs, out)
            good &= not history["bad"]
        if as_json:
            click.echo(msgspec.json.encode(report))
    sys.exit(0 if good else 1)


@group.command()
@click.argument("name", metavar="DOMAIN")
@click.option("--accept-breaking", is_flag=True, help="Release although something breaks for those who used the last.")
@click.pass_obj
def release(settings: Settings, name: str, accept_breaking: bool) -> None:
    """Make today's schemas of DOMAIN the released ones, in schemas/released; commit the file with the release.

    Refuses when a change is breaking and nothing covers it.
    """
    domain, before = _selected(settings, name)[name], released().get(name)
    breaking = [each for each in changes(domain, before) if each.breaking] if before else []
    if breaking and not accept_breaking:
        first = breaking[0]
        raise Refused(
            f"{len(breaking)} changes are breaking, first {first.kind} {first.name} {first.path}: {first.what}; "
            f"{first.remedy} (`headrace schemas check {name} --against released` lists all)",
            rule="breaking-change",
        )
    click.echo(f"released: {write(document(domain, before))}")


@group.command()
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("schemas-export"),
    show_default=True,
    help="Directory of the documents.",
)
@click.option("--check", "only_check", is_flag=True, help="Write nothing; end with 1 when a document is not of today.")
@click.pass_obj
def export(settings: Settings, out: Path, only_check: bool) -> None:
    """Write JSON Schemas of every domain, an AsyncAPI document of the topics and an OpenAPI document of the API.

    Needs no server.
    """
    from infra.contract import exports

    documents = exports.exports(settings)
    if only_check:
        old = exports.outdated(documents, out)
        for name in old:
            click.echo(f"{out / name} is not of today: `headrace schemas export --out {out}` writes it anew")
        sys.exit(1 if old else 0)
    exports.write(documents, out)
    click.echo(f"{len(documents)} documents in {out}: {', '.join(documents)}")


def _selected(settings: Settings, name: str | None) -> dict[str, Domain]:
    from infra.pipeline import selected

    return {domain.name: domain for domain in selected(settings, name)}


def _against_release(domain: Domain | None, before: Document | None, name: str, out: Console) -> list[Change]:
    if before is None:
        out.print(f"{name}: nothing is released yet; `headrace schemas release {name}` does it")
        return []
    found = [missing(before)] if domain is None else changes(domain, before)
    breaking = sum(each.breaking for each in found)
    out.print(f"{name}: {len(found)} changes since the release, {breaking} breaking")
    for each in sorted(found, key=lambda each: not each.breaking):
        out.print(_line(each))
    return found


def _line(change: Change) -> str:
    place = escape(f"{change.kind} {change.name} {change.path}: {change.what}")
    if change.breaking:
        return f"  [bold red]breaking[/]    {place} (breaks {', '.join(change.breaks)}); {escape(change.remedy)}"
    covered = f" (covered by {escape(change.covered)})" if change.covered else ""
    return f"  [green]compatible[/]  {place}{covered}"


def _against_history(settings: Settings, domain: Domain, jobs: int | None, out: Console) -> dict[str, Any]:
    from infra.contract.history import Scan, scan
    from infra.pipeline import addresses

    bars = Progress(
        TextColumn("{task.description}"),
        BarColumn(40),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}"),
        TimeRemainingColumn(),
        console=out,
        transient=True,
    )
    with bars:
        task = bars.add_task(f"{domain.name}: history", total=None, rate="")

        def show(at: Scan) -> None:
            speed = bars.tasks[0].speed
            bars.update(task, completed=at.events, total=at.head, rate=f"{speed:,.0f}/s" if speed else "")

        found = scan(addresses(settings, "postgres").postgres, domain, show, jobs)
    rate = round(found.events / found.seconds) if found.seconds else 0
    verdict = "all load" if not found.bad else f"[bold red]{found.bad:,} do not load[/]"
    out.print(f"{domain.name}: {found.events:,} stored events in {found.seconds:.1f} s ({rate:,}/s): {verdict}")
    for bad in found.first:
        place = f"position {bad.position}, stream {bad.stream}, version {bad.version}, {bad.type}"
        out.print(f"  {escape(place)}, field {escape(bad.field) or '-'}: {escape(bad.error)}")
    if found.bad > len(found.first):
        out.print(f"  ... and {found.bad - len(found.first):,} more")
    first = msgspec.to_builtins(found.first)
    return {"events": found.events, "seconds": round(found.seconds, 2), "rate": rate, "bad": found.bad, "first": first}


COMMANDS = [group]
