"""`headrace rebuild`: tables folded anew beside the live ones, proven equal, and switched to."""

import sys
from contextlib import closing
from pathlib import Path

import click

from infra.config import Settings


@click.command()
@click.argument("domain", required=False)
@click.argument("more", nargs=-1, metavar="")
@click.option("--aggregate", metavar="NAME", help="Only this table may change; a difference in another one refuses.")
@click.option("--dry-run", is_flag=True, help="Say what it would take: events, bytes, time, disk, hazards.")
@click.option("--streams", multiple=True, metavar="ID...", help="Only the keys of these streams, in place.")
@click.option("--from", "first", metavar="P|T", help="Only keys with events from this position, or after this instant.")
@click.option("--to", "last", metavar="P|T", help="Only keys with events up to this position or instant.")
@click.option("--accept", multiple=True, metavar="NAME...", help="Accept differences: see below.")
@click.option("--diff", is_flag=True, help="Only say which rows change from the folds of --against to these.")
@click.option("--against", metavar="REF", help="A branch, tag or commit; see `headrace diff`, which has more options.")
@click.option("--no-switch", is_flag=True, help="Verify, and leave the switch to a later call.")
@click.option("--status", is_flag=True, help="List the builds that there are.")
@click.option("--cancel", is_flag=True, help="Give the rebuild up that runs, and remove what it has made.")
@click.option("--switch-back", is_flag=True, help="Query the build again that was queried before, at once.")
@click.option("--drop-old", is_flag=True, help="Remove the builds that are not queried any more.")
@click.option("--lag-budget", default="5s", show_default=True, help="Pause while live tables are further behind.")
@click.option("--processes", type=click.IntRange(1), help="How many fold at once; default: one a core.")
@click.option("--timeout", type=click.FloatRange(1), default=60.0, show_default=True, help="Seconds without progress.")
@click.option(
    "--differences", type=click.Path(dir_okay=False, path_type=Path), help="Instead of differences-DOMAIN.json."
)
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line, and no progress bar.")
@click.pass_obj
def rebuild(
    settings: Settings,
    domain: str | None,
    more: tuple[str, ...],
    aggregate: str | None,
    dry_run: bool,
    streams: tuple[str, ...],
    first: str | None,
    last: str | None,
    accept: tuple[str, ...],
    diff: bool,
    against: str | None,
    no_switch: bool,
    status: bool,
    cancel: bool,
    switch_back: bool,
    drop_old: bool,
    lag_budget: str,
    processes: int | None,
    timeout: float,
    differences: Path | None,
    as_json: bool,
) -> None:
    """Fold the tables of DOMAIN anew from its first event, beside the live ones, and switch to them.

    The events up to now are folded in several processes, with the folds of the newest projection, into topics and a
    ClickHouse database of their own; a worker and the sink then keep the new build up to date, beginning at the very
    next event. Once it has caught up, every row is compared with the live build while both go on. When they are equal,
    queries are answered from the new build from one moment to the next. The build before is kept, and kept up to date,
    until `--drop-old`.

    When rows differ nothing is switched: they are listed, and written to a file. A fold that was changed on purpose
    makes differences on purpose: name them with `--accept`, as KEY, TABLE/KEY, TABLE.COLUMN or that file, and the
    rebuild goes on from there. All tables are always folded, as each event is folded once for all of them;
    `--aggregate` says in which one alone differences can be accepted.

    Ctrl-C, or a kill, leaves what is done: the same command goes on there.

    With `--streams`, `--from` or `--to` no build is made: the workers fold the partition keys that these touch anew and
    replace all rows of these keys in the live tables; all others stay as they are.
    """
    if diff or against is not None:
        _diff(domain, against, as_json)
        return
    if domain is None:
        raise click.UsageError("name the DOMAIN to rebuild")
    from infra.builds import there
    from infra.pipeline import addresses, selected
    from infra.rebuild.asked import Asked, interruptible
    from infra.rebuild.rebuilding import Rebuild
    from infra.rebuild.showing import Show
    from producers.store.builds import Builds
    from schemas import Invalid, arm

    if settings.crash_point:
        arm(settings.crash_point)
    if more and bool(streams) == bool(accept):
        raise click.UsageError(f"unexpected arguments: {' '.join(more)}")
    streams, accept = (streams + more if streams else streams), (accept + more if accept else accept)
    if streams and (first or last):
        raise click.UsageError("give --streams, or --from and --to")
    keys = bool(streams or first or last)
    if sum((dry_run, status, cancel, switch_back, drop_old, keys)) > 1:
        raise click.UsageError("--dry-run, --status, --cancel, --switch-back, --drop-old and keys exclude each other")
    budget, at = _seconds(lag_budget), addresses(settings)
    [chosen] = there(settings, at.postgres, selected(settings, domain))
    if aggregate is not None and aggregate not in {each.name for each in chosen.aggregates}:
        names = ", ".join(each.name for each in chosen.aggregates)
        raise Invalid(f"{domain} has no aggregate {aggregate!r}; there are {names}", field="aggregate")
    with closing(Builds(at.postgres, chosen)) as builds, interruptible() as stopped:
        work = Rebuild(
            chosen, at, builds,
            given_up=stopped.is_set, crash_point=settings.crash_point, archive=settings.archive,
        )  # fmt: skip
        asked = Asked(chosen, at, builds, work, Show(as_json), timeout)
        if dry_run:
            asked.plan(processes or 0)
        elif status:
            asked.status()
        elif keys:
            done = asked.keys(streams) if streams else asked.between(first, last)
            sys.exit(0 if done else 1)
        else:
            with builds.alone():
                if cancel:
                    asked.cancel()
                elif drop_old:
                    asked.drop_old()
                elif switch_back:
                    asked.switch_back()
                else:
                    with stopped.deferred():
                        build = asked.fold(aggregate, budget, processes or 0)
                    file = differences or Path(f"differences-{domain}.json")
                    proven = asked.verify(build, accept, file)
                    if proven and not no_switch:
                        asked.switch(build)
                    sys.exit(0 if proven else 1)


def _diff(domain: str | None, against: str | None, as_json: bool) -> None:
    from infra.commands.diff import diff

    if against is None:
        raise click.UsageError("--diff needs --against REF, the version to compare with")
    options = {"name": domain, "against": against, "archive": None, "upto": None, "limit": 10, "as_json": as_json}
    click.get_current_context().invoke(diff, **options)


def _seconds(text: str) -> float:
    from schemas import Invalid

    units = {"ms": 0.001, "s": 1.0, "m": 60.0}
    for unit, factor in units.items():
        number = text.removesuffix(unit)
        if number != text and number.replace(".", "", 1).isdecimal():
            return float(number) * factor
    raise Invalid(f"--lag-budget must be a span of time as 2s or 500ms, not {text!r}", field="lag-budget")


COMMANDS = [rebuild]
