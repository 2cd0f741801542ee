"""What a rebuild says to people: its plan, its progress, what differs, which builds there are."""

from collections.abc import Iterable, Sequence

import click
import msgspec
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, TaskID, TaskProgressColumn, TextColumn, TimeRemainingColumn
from rich.table import Table

from infra.rebuild.governor import Governor
from infra.rebuild.planning import Plan
from producers.store.builds import Build
from sinks.comparing import Difference
from streams.replay import Progress as Done

_SHOWN = 20


class Bars:
    """Progress of the folds and of catching up, with rate and time left."""

    def __init__(self, out: Console) -> None:
        columns = (
            TextColumn("{task.description}"), BarColumn(40), TaskProgressColumn(),
            TextColumn("{task.fields[said]}"), TextColumn("left"), TimeRemainingColumn(),
        )  # fmt: skip
        self.progress = Progress(*columns, console=out, disable=not out.is_terminal)
        self._tasks: dict[str, TaskID] = {}

    def folding(self, events: int) -> "_Folding":
        """Shows folds over so many events."""
        return _Folding(self, events)

    def catching_up(self, found: int, goal: int) -> None:
        """The builds are loaded up to a position, and must be up to another."""
        self.update("catch up", found, goal, f"position {found:,} of {goal:,}")

    def update(self, name: str, done: int, total: int, said: str) -> None:
        """Show how far a step is."""
        if name not in self._tasks:
            self._tasks[name] = self.progress.add_task(name, total=total, said="")
        self.progress.update(self._tasks[name], completed=done, total=max(total, 1), said=said)


class _Folding:
    def __init__(self, bars: Bars, events: int) -> None:
        self._bars, self._events = bars, events

    def __call__(self, done: Done, governor: Governor) -> None:
        said = f"{done.records:,} records, {done.rate:,.0f}/s"
        if governor.paused:
            said += f", yielded {governor.paused:.0f} s (live lag {governor.seconds:.1f} s)"
        # Control records come on top of the events: all is done when the partitions are.
        self._bars.update("fold", min(done.records, self._events), self._events, said)


def show_plan(out: Console, plan: Plan) -> None:
    """Print a plan."""
    table = Table(box=None, show_header=False, pad_edge=False)
    upcasters = ", ".join(plan.upcasters) if plan.upcasters else "none"
    rows = {
        "projection": str(plan.projection),
        "events": f"{plan.events:,} ({_bytes(plan.event_bytes)})",
        "rows": f"{plan.rows:,} now (about {_bytes(plan.row_bytes)} on topics)",
        "disk": f"about {_bytes(plan.disk)} more in ClickHouse, {_bytes(plan.row_bytes)} more in Kafka",
        "time": f"about {plan.seconds:,.0f} s at {plan.rate:,.0f} events/s with {plan.processes} processes (measured)",
        "upcasters": f"{upcasters}; {plan.older:,} events are of an older shape",
    }
    for name, value in rows.items():
        table.add_row(f"[bold]{name}[/]", escape(value))
    out.print(table)
    for hazard in plan.hazards:
        out.print(f"[yellow]Mind:[/] {escape(hazard)}")


def show_builds(out: Console, builds: Iterable[Build], running: Build | None) -> None:
    """Print the builds that there are."""
    table = Table(box=None, pad_edge=False)
    for column in ("projection", "build", "state", "", "folded up to", "since"):
        table.add_column(column, no_wrap=True)
    for build in builds:
        if build.state != "dropped":
            said = "live" if build.live else "before the switch" if build.former else ""
            said = "being rebuilt" if build == running else said
            since = build.changed.isoformat(sep=" ", timespec="seconds")
            barrier = f"{build.barrier:,}" if build.barrier else "–"
            table.add_row(str(build.projection), str(build.build), build.state, said, barrier, since)
    out.print(table)


def show_differences(out: Console, found: Sequence[Difference]) -> None:
    """Print the first differences."""
    table = Table(box=None, pad_edge=False)
    for column in ("table", "key", "column", "live", "rebuilt"):
        table.add_column(column, overflow="fold")
    for each in found[:_SHOWN]:
        values = (each.aggregate, each.key, each.column, _value(each.old), _value(each.new))
        table.add_row(*map(escape, values))
    out.print(table)
    if len(found) > _SHOWN:
        out.print(f"… and {len(found) - _SHOWN:,} more")


class Show:
    """Says what is done: to people, or to scripts in one JSON object a line; `out` is for what only people want."""

    def __init__(self, as_json: bool) -> None:
        self.as_json, self.out = as_json, Console(highlight=False, soft_wrap=True, stderr=as_json)

    def say(self, object_: object, sentence: str) -> None:
        """The object to scripts, the sentence to people."""
        if self.as_json:
            click.echo(msgspec.json.encode(object_).decode())
        else:
            self.out.print(escape(sentence))

    def note(self, sentence: str) -> None:
        """A sentence for people."""
        self.out.print(escape(sentence))


def _value(text: str | None) -> str:
    return "no row" if text is None else text


def _bytes(size: float) -> str:
    for unit in ("B", "KB", "MB"):
        if size < 1000:
            return f"{size:.0f} {unit}"
        size /= 1000
    return f"{size:.1f} GB"
