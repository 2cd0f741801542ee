"""`headrace stream`: the past of one stream, straight from Postgres."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import TYPE_CHECKING, Any

import click
from rich.console import Console
from rich.markup import escape
from rich.status import Status
from rich.table import Table

from infra.config import Settings

if TYPE_CHECKING:
    from producers.history import Difference, Entry, Seen, Traveller

_OUT = Console(highlight=False, soft_wrap=True)
_PAGE = 500


class _Instant(click.ParamType):
    name = "instant"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        try:
            instant = datetime.fromisoformat(value)
        except ValueError:
            self.fail(f"{value!r} is no instant; write it as 2026-01-31T12:00:00Z", param, ctx)
        if instant.tzinfo is None:
            self.fail(f"{value!r} needs an offset, such as Z at its end", param, ctx)
        return instant


@click.command()
@click.argument("domain")
@click.argument("stream")
@click.option("--version", type=click.IntRange(1), metavar="N", help="The state at this version.")
@click.option("--at", type=_Instant(), metavar="T", help="The state at this instant (time of append), RFC 3339.")
@click.option(
    "--diff", nargs=2, type=click.IntRange(0), metavar="A B", help="What differs from version A to version B."
)
@click.option("--history", is_flag=True, help="List all its events.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object; with --history one for each event, one a line.")
@click.pass_obj
def stream(
    settings: Settings,
    domain: str,
    stream: str,
    version: int | None,
    at: datetime | None,
    diff: tuple[int, int] | None,
    history: bool,
    as_json: bool,
) -> None:
    """Show the state of STREAM of DOMAIN: now, at a version or at an instant; or what differs between two versions."""
    if sum([version is not None, at is not None, diff is not None, history]) > 1:
        raise click.UsageError("give one of --version, --at, --diff and --history")
    with _traveller(settings, domain) as traveller:
        if history:
            _history(traveller, stream, as_json)
        elif diff is not None:
            with _reading():
                found = traveller.difference(stream, *diff)
            _print_json(found) if as_json else _show_difference(found)
        else:
            with _reading():
                seen = traveller.at_instant(stream, at) if at else traveller.at_version(stream, version)
            _print_json(seen) if as_json else _show(seen)


@contextmanager
def _traveller(settings: Settings, name: str) -> Iterator["Traveller"]:
    from infra.pipeline import addresses, domains
    from producers import PostgresEventStore
    from producers.history import Traveller
    from producers.store.connections import READER
    from schemas import Invalid, stage_module

    known = domains(settings)
    if name not in known:
        raise Invalid(f"there is no domain {name!r}; there are {', '.join(known)}", field="domain")
    domain = known[name]
    store = PostgresEventStore(addresses(settings, "postgres").postgres, domain, connections=1, role=READER)
    try:
        yield Traveller(domain, stage_module("producers", domain).DECIDER, store)
    finally:
        store.close()


def _reading() -> Status:
    return Console(stderr=True).status("replaying …")


def _print_json(found: Any) -> None:
    from schemas import encode

    click.echo(encode(found))


def _show(seen: "Seen") -> None:
    when = f", appended {seen.time.isoformat()} at position {seen.position}" if seen.time else ""
    _OUT.print(f"[bold]{escape(seen.stream)}[/]  version {seen.version} of {seen.current_version}{when}")
    _OUT.print_json(bytes(seen.state).decode())


def _show_difference(found: "Difference") -> None:
    _OUT.print(f"[bold]{escape(found.stream)}[/]  from version {found.before.version} to {found.after.version}")
    table = Table(box=None, pad_edge=False)
    for column in ("field", "from", "to"):
        table.add_column(column, overflow="fold")
    for change in found.changes:
        table.add_row(escape(change.path or "(all)"), _value(change.before), _value(change.after))
    _OUT.print(table if found.changes else "Nothing differs.")
    _OUT.print()
    _OUT.print(_events(found.events))
    if found.next is not None:
        _OUT.print(f"… and more: [bold]--history[/] lists what follows version {found.next}")


def _history(traveller: "Traveller", stream: str, as_json: bool) -> None:
    after: int | None = 0
    while after is not None:
        page = traveller.history(stream, after, _PAGE)
        if as_json:
            for entry in page.data:
                _print_json(entry)
        else:
            _OUT.print(_events(page.data, header=after == 0))
        after = page.next


def _events(entries: "list[Entry]", *, header: bool = True) -> Table:
    table = Table(box=None, pad_edge=False, show_header=header)
    for column in ("version", "appended", "type", "data"):
        table.add_column(column, overflow="fold")
    for entry in entries:
        table.add_row(str(entry.version), entry.time.isoformat(), entry.type, escape(bytes(entry.data).decode()))
    return table


def _value(value: Any) -> str:
    from msgspec import UNSET

    from schemas import encode

    return "[dim]–[/]" if value is UNSET else escape(encode(value).decode())


COMMANDS = [stream]
