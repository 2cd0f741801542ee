"""Prints a demo: bars while it runs, tables and the verdict at the end."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Bars

from infra.demo.demo import Demo
from infra.demo.run import Outcome, Progress, Show
from infra.demo.watch import HOPS


@contextmanager
def bars(out: Console) -> Iterator[Show]:
    """Bars of the hops, moved by what the `with` gives."""
    shown = Bars(
        TextColumn("{task.description:>9}"), BarColumn(40), MofNCompleteColumn(), TimeElapsedColumn(), console=out
    )
    with shown:
        tasks = {hop: shown.add_task(hop, total=None) for hop in HOPS}

        def show(progress: Progress) -> None:
            for hop, task in tasks.items():
                done, total = _passed(progress, hop)
                shown.update(task, completed=min(done, total), total=total)

        yield show


def _passed(progress: Progress, hop: str) -> tuple[int, int]:
    """Commands of the first hop; of the others events, of which only the end tells how many there are."""
    if hop == "accepted":
        return progress.statuses.total(), progress.due
    # What was handled before has passed all hops already.
    repeated, watched = progress.statuses["repeated"], progress.watched
    events = watched.done("accepted") + repeated
    return watched.done(hop) + repeated, events if progress.sent else max(progress.due, events)


def tell(out: Console, demo: Demo[Any], outcome: Outcome) -> None:
    """Print the answers and whether they are exact."""
    out.print(demo.show(outcome.found))
    if outcome.exact:
        out.print(f"[green]{demo.verdict}[/]")
    else:
        out.print(
            f"[bold red]This differs from the independent pass over the input:[/] {escape(str(outcome.difference))}"
        )
    if outcome.repeated == outcome.sent:
        out.print("Nothing was new: every command had been handled before, and its id made this run change nothing.")
    else:
        rates = ", ".join(f"{hop} {rate:,}/s" for hop, rate in outcome.rates.items())
        out.print(f"{outcome.accepted:,} commands in {outcome.seconds:.1f} s, start to SQL. Events by hop: {rates}.")


def summary(demo: Demo[Any], outcome: Outcome, seconds_to_start: float) -> dict[str, Any]:
    """The outcome for a script."""
    return {
        "demo": demo.name,
        "exact": outcome.exact,
        "commands": outcome.sent,
        "new": outcome.accepted,
        "repeated": outcome.repeated,
        "seconds": round(outcome.seconds, 2),
        "seconds_to_start": round(seconds_to_start, 2),
        "rates": outcome.rates,
        "found": outcome.found,
        "expected": outcome.expected,
    }
