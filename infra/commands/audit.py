"""`headrace audit`: does every hop hold what Postgres holds?"""

import json
import sys
import time
from collections import defaultdict
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

import click
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn
from rich.table import Table

from infra.config import Settings

if TYPE_CHECKING:
    from infra.audit.findings import Finding, Report
    from infra.audit.run import Audit, Since
    from schemas import Domain

# Is told the hop, how much of it is done, and of how much.
Show = Callable[[str, int, int], None]


@click.command()
@click.argument("names", nargs=-1, metavar="[DOMAIN]...")
@click.option("--from", "since", type=click.IntRange(0), default=0, metavar="POSITION", help="Audit later events only.")
@click.option(
    "--limit", type=click.IntRange(1), default=50, help="List so many findings of each hop.", show_default=True
)
@click.option(
    "--timeout", type=click.FloatRange(0), default=10.0, help="Wait so long for a hop that gets no further.",
    show_default=True, metavar="SECONDS",
)  # fmt: skip
@click.option("--deep", is_flag=True, help="Fold all events again, too, and compare the rows with the topics'.")
@click.option("--watch", is_flag=True, help="Go on from the last clean position until Ctrl-C.")
@click.option("--every", type=click.FloatRange(0.1), default=5.0, help="With --watch: the pause.", metavar="SECONDS",
              show_default=True)  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="One JSON object for each domain, one a line.")
@click.pass_obj
def audit(
    settings: Settings,
    names: tuple[str, ...],
    since: int,
    limit: int,
    timeout: float,
    deep: bool,
    watch: bool,
    every: float,
    as_json: bool,
) -> None:
    """Compare every hop of all domains, or of each DOMAIN, with Postgres: nothing lost, doubled or altered.

    Where a stack runs here, all domains are those that it serves.

    Writes go on meanwhile: hops are compared up to a position that all have reached. Each event that is missing,
    doubled or altered is named. The exit code is 0 when all is good, 1 when something is not, and 2 when a hop could
    not be compared up to the end, because it lags or does not answer.
    """
    from infra.audit.run import Audit, Since, Wanted
    from infra.builds import there
    from infra.pipeline import addresses, selected
    from infra.pipeline import domains as all_domains
    from infra.serving import served
    from schemas import Unavailable

    at = addresses(settings, "postgres", "kafka", "clickhouse_reader")
    # What a stack does not serve has no topics and no tables here.
    chosen = {domain.name for name in names or served(settings) or (None,) for domain in selected(settings, name)}
    places: dict[str, Since] = defaultdict(lambda: Since(since))
    out = Console(highlight=False, stderr=as_json, soft_wrap=True)
    wanted = Wanted(limit, timeout, deep, settings.archive)
    last: dict[str, Report | None] = {}

    def audit_all() -> int:
        try:  # each time: builds come and go
            known = {domain.name: domain for domain in there(settings, at.postgres, all_domains(settings).values())}
        except Unavailable as error:
            click.echo(f"nothing was audited: {error.detail}", err=True)
            return 2
        code = 0
        for domain in (domain for name, domain in known.items() if name in chosen):
            made = partial(Audit, domain, known, at, places[domain.key], wanted)
            last[domain.key] = report = _audited(domain, made, places, out, as_json)
            code = max(code, 2 if report is None else _told(out, report, as_json))
        return code

    if not watch:
        sys.exit(audit_all())
    try:
        while True:
            audit_all()
            time.sleep(every)
    except KeyboardInterrupt:
        for key, report in last.items():
            out.print(f"last state of {key}: {_state(report)}")
        raise


def _state(report: "Report | None") -> str:
    """What the last audit of a domain came to, in words."""
    if report is None:
        return "not audited"
    behind = "; ".join(f"{hop.name}: {hop.lag or hop.unchecked}" for hop in report.hops if hop.lag or hop.unchecked)
    wrong = sum(hop.wrong for hop in report.hops)
    found = f"{wrong:,} things are not as they should be" if wrong else "nothing lost, doubled or altered"
    return f"{found} up to position {report.upto:,} of {report.head:,}{'; ' + behind if behind else ''}"


def _audited(
    domain: "Domain", made: "Callable[[Show], Audit]", places: "dict[str, Since]", out: Console, as_json: bool
) -> "Report | None":
    """The report of one audit; None when a server does not answer or has no tables, which is said."""
    from schemas import HeadraceError

    columns = (TextColumn("{task.description:>32}"), BarColumn(40), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=out, transient=True) as bars:
        tasks: dict[str, TaskID] = {}

        def show(hop: str, done: int, total: int) -> None:
            if hop not in tasks:
                tasks[hop] = bars.add_task(hop, total=total)
            bars.update(tasks[hop], completed=done, total=total)

        try:
            report, places[domain.key] = made(show).run()
        except HeadraceError as error:
            bars.stop()
            out.print(f"[bold red]{domain.key}: not audited[/]: {escape(error.detail)}")
            if as_json:
                click.echo(json.dumps({"domain": domain.key, "clean": None, "complete": False, "error": error.detail}))
            return None
    return report


def _told(out: Console, report: "Report", as_json: bool) -> int:
    """Say what was found; answers the exit code."""
    _show(out, report, as_json)
    if not report.clean:
        return 1
    return 0 if report.complete else 2


def _show(out: Console, report: "Report", as_json: bool) -> None:
    from schemas import encode

    if as_json:
        shown = {**json.loads(encode(report)), "clean": report.clean, "complete": report.complete}
        click.echo(json.dumps(shown))
        return
    verdict = "[green]nothing lost, doubled or altered[/]" if report.clean else "[bold red]not as it should be[/]"
    out.print(f"\n[bold]{report.domain}[/]: {verdict} after {report.since:,} up to {report.upto:,} of {report.head:,}")
    # Narrow enough for a terminal of 80 columns; --json has the rest.
    table = Table(box=None, pad_edge=False)
    for name in ("hop", "up to", "count", "missing", "doubled", "altered", "other"):
        table.add_column(name, justify="left" if name == "hop" else "right", no_wrap=name != "hop", overflow="fold")
    for hop in report.hops:
        numbers = (hop.upto, hop.count, hop.missing, hop.doubled, hop.altered, hop.other)
        table.add_row(hop.name, *(f"{each:,}" for each in numbers))
    out.print(table)
    for hop in report.hops:
        for note in filter(None, (hop.lag, hop.unchecked, hop.note)):
            out.print(f"[dim]{escape(hop.name)}: {escape(note)}[/]")
    for finding in report.findings:
        _list(out, finding)


def _list(out: Console, finding: "Finding") -> None:
    places = ("position", "id", "stream", "key", "partition", "offset")
    at = ", ".join(f"{p} {getattr(finding, p)}" for p in places if getattr(finding, p) is not None)
    out.print(f"[bold red]{finding.kind}[/] in {escape(finding.hop)}: {escape(at)}: {escape(finding.detail)}")
    for each in finding.differences:
        out.print(f"    {escape(each.column)}: expected {escape(each.expected)}, found {escape(each.found)}")


COMMANDS = [audit]
