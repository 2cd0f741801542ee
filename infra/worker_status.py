"""Shows what the workers say of their health, for people and for scripts."""

from collections.abc import Sequence
from typing import Any

import msgspec
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from streams.health import Health

_COLORS = {"running": "green", "standby": "green", "stuck": "red"}


def as_object(worker: Health) -> dict[str, Any]:
    """A worker as a script reads it: beside the figures whether it is live and ready, and its lag and held keys."""
    figures = {"live": worker.live, "ready": worker.ready, "lag": worker.lag, "held": worker.held}
    return {"worker": worker.domain, "healthy": worker.live, **figures, **msgspec.to_builtins(worker)}


def show(out: Console, workers: Sequence[Health]) -> None:
    """Print a line for each worker, why it is not ready, and how far each of its partitions is."""
    for worker in workers:
        out.print(f"\n[bold]worker {worker.domain} v{worker.projection}[/] ({worker.pid}): {_said(worker)}")
        if worker.partitions:
            out.print(_partitions(worker))


def _said(worker: Health) -> str:
    if not worker.live and worker.state != "stuck":
        return "[red]silent[/]: it is stopped or hangs as a whole"
    said = f"[{_COLORS.get(worker.state, 'yellow')}]{worker.state}[/]"
    if worker.state == "loading":
        said += f", {worker.loaded:,} records so far"
    if worker.state == "running":
        said += f", {worker.rate:,.0f} events/s, lag {worker.lag:,}, {worker.held:,} keys held"
        said += f", events too late for {worker.late:,} windows" if worker.late else ""
    return said + (f"; [red]{escape(worker.reason)}[/]" if worker.reason else "")


def _partitions(worker: Health) -> Table:
    table = Table(box=None, pad_edge=False)
    for column in ("topic", "partition", "offset", "lag", "position", "held"):
        table.add_column(column, justify="left" if column == "topic" else "right", no_wrap=column != "topic")
    for each in worker.partitions:
        figures = (each.partition, each.offset, each.lag, each.position, each.held)
        table.add_row(escape(each.topic), *(f"{number:,}" for number in figures))
    return table
