"""`headrace verify`: is history still what was appended?"""

import json
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from infra.config import Settings

if TYPE_CHECKING:
    from producers.proof.checkpoints import Checkpoint
    from producers.proof.findings import Finding, Report
    from schemas import Domain


@dataclass(frozen=True)
class _Wanted:
    """What to verify of each domain."""

    stream: str | None
    since: int
    checkpoints: "list[Checkpoint]"


@click.command()
@click.argument("name", required=False, metavar="[DOMAIN]")
@click.option("--stream", metavar="ID", help="Verify this stream of DOMAIN alone.")
@click.option(
    "--since", type=click.IntRange(0), default=0, metavar="POSITION", help="Verify events after POSITION only."
)
@click.option(
    "--checkpoint", type=click.Path(dir_okay=False, path_type=Path), help="Compare with this file's checkpoints."
)
@click.option("--topic", is_flag=True, help="Compare with the checkpoints in the domain's topic of proofs.")
@click.option("--public-key", type=click.Path(dir_okay=False, path_type=Path), help="Key that signed them (PEM).")
@click.option("--json", "as_json", is_flag=True, help="One JSON object for each domain, one a line.")
@click.pass_obj
def verify(
    settings: Settings,
    name: str | None,
    stream: str | None,
    since: int,
    checkpoint: Path | None,
    topic: bool,
    public_key: Path | None,
    as_json: bool,
) -> None:
    """Verify the stored history of all domains, or of DOMAIN: that no event was altered, lost, added or moved.

    Recomputes the hash of every event and the rolling digest of every append, and compares streams, remembered answers,
    skips and the head with the events. Names the first bad row and says what was done to it; the exit code is 1 then.
    Who can write to the database may recompute all hashes: only checkpoints that were signed before find that, so give
    them. Appends go on meanwhile. Ctrl-C says up to where all was good.
    """
    from infra.pipeline import addresses, selected
    from schemas import Invalid

    if stream is not None and name is None:
        raise Invalid("--stream needs the DOMAIN of the stream", field="domain")
    domains, at = selected(settings, name), addresses(settings, "postgres")
    known, forgeries = _checkpoints(settings, domains, checkpoint, topic, public_key)
    out = Console(highlight=False, stderr=as_json, soft_wrap=True)
    bad = bool(forgeries)
    for domain in domains:
        mine = [c for c in known if c.domain == domain.key]
        report = _verify(at.postgres, domain, _Wanted(stream, since, mine), out)
        forged = [finding for finding in forgeries if finding.domain == domain.key]
        _show(out, report, forged, as_json)
        bad = bad or bool(report.findings)
    strangers = [f for f in forgeries if f.domain not in {domain.key for domain in domains}]
    _list(out, strangers)
    if bad:
        sys.exit(1)


def _checkpoints(
    settings: Settings, domains: "list[Domain]", file: Path | None, topic: bool, public_key: Path | None
) -> "tuple[list[Checkpoint], list[Finding]]":
    """The checkpoints with a good signature, and a finding for each other one."""
    if file is None and not topic:
        return [], []
    from infra.pipeline import addresses, signing_key
    from producers.proof import files
    from producers.proof import topic as topics
    from producers.proof.checkpoints import forged
    from producers.proof.keys import load_public, public_file

    key = load_public(public_key or public_file(signing_key(settings)))
    found = list(files.read(file)) if file else []
    if topic:
        found += [c for domain in domains for c in topics.read(addresses(settings, "kafka").kafka, domain)]
    return [c for c in found if c.is_signed_by(key)], forged(found, key)


def _verify(postgres: str, domain: "Domain", wanted: _Wanted, out: Console) -> "Report":
    from psycopg2.extensions import set_wait_callback
    from psycopg2.extras import wait_select

    from producers.proof.reader import Reader
    from producers.proof.verification import Verification

    # Ctrl-C cancels the statement under way.
    set_wait_callback(wait_select)

    columns = (TextColumn("{task.description:>9}"), BarColumn(40), MofNCompleteColumn(), TimeElapsedColumn())
    with Reader(postgres, domain) as reader, Progress(*columns, console=out, transient=True) as bars:
        tasks = {name: bars.add_task(name, total=None) for name in ("events", "streams", "commands")}

        def show(phase: str, done: int, total: int | None) -> None:
            bars.update(tasks[phase], completed=done, total=total)

        verification = Verification(domain, reader, show)
        try:
            if wanted.stream is not None:
                return verification.run_stream(wanted.stream)
            return verification.run(wanted.since, wanted.checkpoints)
        except KeyboardInterrupt:
            bars.stop()
            out.print(
                f"{domain.key}: interrupted; all was good from position {verification.since} up to {verification.good}"
            )
            raise


def _show(out: Console, report: "Report", forged: "list[Finding]", as_json: bool) -> None:
    from schemas import encode

    findings = [*report.findings, *forged]
    if as_json:
        click.echo(json.dumps({**json.loads(encode(report)), "findings": [json.loads(encode(f)) for f in findings]}))
        return
    if not findings:
        out.print(
            f"[green]{report.domain}: good[/] up to position {report.good:,}: {report.events:,} events, "
            f"{report.streams:,} streams, {report.commands:,} answers, {report.skips:,} skips, "
            f"{report.checkpoints:,} checkpoints in {report.seconds:.1f} s"
        )
    _list(out, findings)


def _list(out: Console, findings: "Iterable[Finding]") -> None:
    for finding in findings:
        places = ("position", "stream", "version", "id")
        at = ", ".join(f"{p} {getattr(finding, p)}" for p in places if getattr(finding, p) is not None)
        out.print(
            f"[bold red]{finding.domain}: {finding.kind}[/] at {escape(at or 'the head')}: {escape(finding.detail)}"
        )


COMMANDS = [verify]
