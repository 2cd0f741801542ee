"""`headrace dead-letters`: what could not be folded, and what to do about it."""

import getpass
import sys
from typing import TYPE_CHECKING, Any

import click
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from infra.config import Settings
from infra.letters_shown import as_text, edition, fields, letter_fields, print_json, status, table

if TYPE_CHECKING:
    from infra.letters import DeadLetters
    from schemas import Domain

_OUT = Console(highlight=False, soft_wrap=True)
_END = 1 << 62
_JSON = click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
_PROJECTION = click.option("--projection", type=int, help="Of this version of the folds alone; without, of all.")
_TIMEOUT = click.option(
    "--timeout", type=click.FloatRange(0), default=60.0, show_default=True, metavar="SECONDS", help="How long to wait."
)


@click.group("dead-letters")
def dead_letters() -> None:
    """List, show, redrive or skip what could not be folded.

    An event that cannot be folded holds its partition key: nothing more of that key is folded, and all other keys go
    on. A record that belongs to no key is quarantined.
    """


@dead_letters.command("list")
@click.argument("domain")
@click.option("--skipped", is_flag=True, help="List the events that are left out instead: who, when and why.")
@_PROJECTION
@_JSON
@click.pass_obj
def list_(settings: Settings, domain: str, skipped: bool, projection: int | None, as_json: bool) -> None:
    """List the held keys and the quarantined records of DOMAIN, of all versions of its folds."""
    chosen = _versions(settings, domain, projection)
    if skipped:
        _list_skipped(settings, chosen[0], as_json)
        return
    with status("reading …"):
        read = [(_letters(settings, version), version.edition) for version in chosen]
        held = [(each, of) for letters, of in read for each in letters.held()]
        quarantined = [(each, of) for letters, of in read for each in letters.letters() if each.quarantined]
    if as_json:
        for each, of in held:
            print_json(
                {"kind": "held", "key": each.key, "partition": each.partition, **fields(each.held), **of._asdict()}
            )
        for letter, of in quarantined:
            print_json({"kind": "quarantined", **letter_fields(letter), **of._asdict()})
        return
    if held:
        rows = [
            (each.key, edition(of), str(each.held.position or "–"), each.held.event_id, each.held.error)
            for each, of in held
        ]
        _OUT.print(table(("held key", "projection", "position", "event", "error"), rows))
    if quarantined:
        rows = [
            (f"{each.partition}:{each.offset}", edition(of), each.key or "–", "", each.error)
            for each, of in quarantined
        ]
        _OUT.print(table(("quarantined at", "projection", "key", "", "error"), rows))
    if not held and not quarantined:
        _OUT.print(f"{domain}: nothing is held, nothing is quarantined")


@dead_letters.command()
@click.argument("domain")
@click.argument("which", metavar="KEY|PARTITION:OFFSET")
@_PROJECTION
@_JSON
@click.pass_obj
def show(settings: Settings, domain: str, which: str, projection: int | None, as_json: bool) -> None:
    """Show the newest dead letter of a partition key, or of the record at PARTITION:OFFSET: error, stack and event.

    Of several versions of the folds that have one, the newest version's.
    """
    from schemas import NotFound

    with status("reading …"):
        read = [_letters(settings, version) for version in _versions(settings, domain, projection)]
        found = [
            (letters, each)
            for letters in read
            for each in letters.letters()
            if which in (each.key, f"{each.partition}:{each.offset}")
        ]
        if not found:
            raise NotFound(f"there is no dead letter of {which!r}; `headrace dead-letters list {domain}` has all")
        letters, letter = found[-1]
        value = letters.value(letter)
    if as_json:
        print_json({**letter_fields(letter), "stack": letter.stack, **as_text(value)})
        return
    where = (
        "read from the event store" if letter.offset < 0 else f"partition {letter.partition}, offset {letter.offset}"
    )
    _OUT.print(f"[bold]{escape(letter.key or 'without a key')}[/]  {where}")
    if letter.event_id:
        _OUT.print(f"event {escape(letter.event_id)} at position {letter.position}")
    _OUT.print(f"[bold red]{escape(letter.error)}[/]")
    _OUT.print()
    _OUT.print(escape(letter.stack.rstrip()))
    _OUT.print()
    shown = as_text(value)
    _OUT.print(escape(next(iter(shown.values())) or "") if shown else "the record has no value")


@dead_letters.command()
@click.argument("domain")
@click.argument("key", required=False)
@click.option("--all", "all_", is_flag=True, help="All held keys.")
@_PROJECTION
@_TIMEOUT
@_JSON
@click.pass_obj
def redrive(
    settings: Settings,
    domain: str,
    key: str | None,
    all_: bool,
    projection: int | None,
    timeout: float,
    as_json: bool,
) -> None:
    """Fold KEY (or all held keys) of DOMAIN anew from the event store, with the code that the worker runs.

    It is done in each version of the folds that holds the key.

    Mend the code and restart the worker first. All rows of the key are replaced by what results, and the key is
    released, or held again by the event that still cannot be folded; the exit code is 1 then. Ctrl-C ends the waiting:
    the request stands.
    """
    from schemas import Invalid, NotFound

    if (key is None) != all_:
        raise click.UsageError("give a KEY, or --all")
    with status("reading …"):
        versions = _versions(settings, domain, projection)
        held = [(version, [each.key for each in _letters(settings, version).held()]) for version in versions]
    if key is not None:
        held = [(version, [key]) for version, keys in held if key in keys]
        if not held:
            raise NotFound(
                f"{key!r} is not held; `headrace dead-letters list {domain}` has the keys that are", field="key"
            )
    keys = list(dict.fromkeys(each for _, found in held for each in found))
    if any("\\x" in each for each in keys):
        raise Invalid("a held key is no text, so it has no events; it cannot be redriven by name", field="key")
    _refold(settings, [version for version, found in held if found], keys, timeout, as_json)


@dead_letters.command()
@click.argument("domain")
@click.argument("key")
@click.option("--event", required=True, metavar="ID", help="The event to leave out.")
@click.option("--reason", required=True, metavar="TEXT", help="Why; it is recorded, with your name and the time.")
@_TIMEOUT
@_JSON
@click.pass_obj
def skip(settings: Settings, domain: str, key: str, event: str, reason: str, timeout: float, as_json: bool) -> None:
    """Leave one event of KEY out of all folds of DOMAIN, for good, and fold KEY anew in each version of them.

    The event stays in history: it is left out of the tables alone. Who, when and why are recorded, cannot be taken back
    and are listed by `headrace dead-letters list DOMAIN --skipped`.
    """
    from infra.pipeline import addresses
    from producers.history import KeyHistory, Skips
    from schemas import Conflict, Invalid, NotFound

    if not reason.strip():
        raise Invalid("--reason must say why", field="reason")
    chosen, postgres = _versions(settings, domain, None), addresses(settings).postgres
    history, skips = KeyHistory(postgres, chosen[0]), Skips(postgres, chosen[0])
    try:
        with status("looking for the event …"):
            found = next((e for page in history.events(key, 0, _END) for e in page if e.id == event), None)
        if found is None:
            raise NotFound(f"{key!r} has no event {event!r}", field="event")
        reached = [each for each in chosen if _letters(settings, each).has_reached(key, found.position)]
        if not reached:
            raise Conflict(
                f"no worker of {domain} has come to position {found.position} yet: skip the event when it has",
                rule="not-folded-yet",
                field="event",
            )
        skips.add(key, found, reason.strip(), getpass.getuser())
    finally:
        history.close()
        skips.close()
    _refold(settings, reached, [key], timeout, as_json)


def _refold(settings: Settings, versions: "list[Domain]", keys: list[str], timeout: float, as_json: bool) -> None:
    from schemas import Unavailable

    out = Console(highlight=False, stderr=as_json, soft_wrap=True)
    columns = (TextColumn("refolded"), BarColumn(40), MofNCompleteColumn(), TimeElapsedColumn())
    failed, left = 0, list[str]()
    with Progress(*columns, console=Console(stderr=True), transient=True) as bars:
        task = bars.add_task("", total=len(keys) * len(versions))

        def show(answer: Any) -> None:
            nonlocal failed
            failed += not answer.released
            bars.advance(task)
            if as_json:
                print_json(answer)
            elif answer.released:
                out.print(f"[green]{escape(answer.key)}[/] was folded anew and is released")
            else:
                out.print(f"[bold red]{escape(answer.key)}[/] is still held: {escape(answer.error)}")

        if keys:
            left = _letters(settings, versions[0]).refold(keys, timeout, show, versions)
    if left:
        raise Unavailable(
            f"no answer for {', '.join(left[:5])} within {timeout:g} s. The request stands: the workers of "
            f"{versions[0].name} do it when they run and PostgreSQL answers; their logs say more (`headrace logs`)"
        )
    if not keys:
        out.print("nothing is held")
    if failed:
        sys.exit(1)


def _list_skipped(settings: Settings, domain: "Domain", as_json: bool) -> None:
    from infra.pipeline import addresses
    from producers.history import Skips

    skips = Skips(addresses(settings).postgres, domain)
    try:
        found = skips.of()
    finally:
        skips.close()
    if as_json:
        for skip in found:
            print_json(skip)
        return
    rows = [
        (s.time.isoformat(timespec="seconds"), s.actor, s.key, s.event, s.reason + ("" if s.intact else "  ALTERED"))
        for s in found
    ]
    _OUT.print(
        table(("skipped", "by", "key", "event", "reason"), rows) if rows else f"{domain.name}: nothing is skipped"
    )
    if not all(skip.intact for skip in found):
        _OUT.print("[bold red]records of skips were altered or removed[/]")
        sys.exit(1)


def _versions(settings: Settings, name: str, projection: int | None) -> "list[Domain]":
    """The domain in each version of its folds, and each build, that there is: the newest last."""
    from infra.builds import there
    from infra.pipeline import addresses, in_projection, selected

    chosen = there(settings, addresses(settings).postgres, selected(settings, name))[0]
    in_projection(chosen, projection)  # there must be one
    found = [version for version in chosen.projections if projection in (None, version.projection)]
    return sorted(found, key=lambda version: version.edition)


def _letters(settings: Settings, domain: "Domain") -> "DeadLetters":
    from infra.letters import DeadLetters
    from infra.pipeline import addresses

    return DeadLetters(addresses(settings).kafka, domain)


COMMANDS = [dead_letters]
