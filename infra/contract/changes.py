"""What today's schemas change against the released ones, whom that breaks, and what covers it.

Commands are read by today's code from clients of the release. Events are read by today's code from history and by
consumers of the release from today's topics; rows of aggregates likewise.
"""

from collections.abc import Iterator, Mapping

from msgspec import Struct

from infra.contract.differences import differences
from infra.contract.released import Document, document
from schemas import Domain, Schema


class Change(Struct, frozen=True, kw_only=True):
    """One change of a command, event or aggregate at a JSON path.

    `breaks` says whom it breaks: `clients`, `history` (what is stored does not load) or `consumers`. `covered` says
    what makes up for that; `remedy` what would.
    """

    kind: str
    name: str
    path: str
    what: str
    breaks: tuple[str, ...] = ()
    covered: str = ""
    remedy: str = ""

    @property
    def breaking(self) -> bool:
        return bool(self.breaks) and not self.covered


def changes(domain: Domain, before: Document) -> list[Change]:
    """All changes of a domain since the release `before`."""
    now = document(domain)
    return [*_commands(before, now), *_events(domain, before, now), *_aggregates(before, now)]


def missing(before: Document) -> Change:
    """The change that a released domain is no more."""
    return Change(
        kind="domain",
        name=before.domain,
        path="$",
        what="domain removed",
        breaks=("clients", "history", "consumers"),
        remedy="keep its schema module while its history is stored; delete the released file when it is not",
    )


def _commands(before: Document, now: Document) -> Iterator[Change]:
    remedy = "make it optional for clients of the release, or add a command of another name"
    yield from _set("command", before.commands, now.commands, ("clients",), remedy)
    for name, path, what, old_data, _ in _pairs(before.commands, now.commands):
        breaks = ("clients",) if old_data else ()
        yield Change(kind="command", name=name, path=path, what=what, breaks=breaks, remedy=remedy if breaks else "")


def _events(domain: Domain, before: Document, now: Document) -> Iterator[Change]:
    successors = {upcaster.old: upcaster.new for upcaster in domain.upcasters}
    for tag in {**before.past_events, **before.events}:
        if tag not in now.events:
            yield Change(
                kind="event",
                name=tag,
                path="$",
                what="event removed" if tag in before.events else "event of an earlier release",
                breaks=("history",),
                covered=f"the upcaster to {successors[tag]}" if tag in successors else "",
                remedy=f"declare an Upcaster from {tag}",
            )
    for tag in sorted(now.events.keys() - before.events.keys()):
        yield Change(kind="event", name=tag, path="$", what="event added")
    for tag, path, what, old_data, new_data in _pairs(before.events, now.events):
        breaks = (*(("history",) if old_data else ()), *(("consumers",) if new_data else ()))
        name, _, number = tag.partition(".")
        remedy = f"give the new shape the tag {name}.{int(number or 1) + 1} and declare an Upcaster from {tag}"
        yield Change(kind="event", name=tag, path=path, what=what, breaks=breaks, remedy=remedy if breaks else "")


def _aggregates(before: Document, now: Document) -> Iterator[Change]:
    covered = f"projection {now.projection}" if now.projection > before.projection else ""
    remedy = f"fold into projection={now.projection + 1}"
    yield from _set("aggregate", before.aggregates, now.aggregates, ("consumers",), remedy, covered)
    for name, path, what, old_data, new_data in _pairs(before.aggregates, now.aggregates):
        breaks = (*(("history",) if old_data else ()), *(("consumers",) if new_data else ()))
        yield Change(
            kind="aggregate",
            name=name,
            path=path,
            what=what,
            breaks=breaks,
            covered=covered if breaks else "",
            remedy=remedy if breaks else "",
        )


def _set(
    kind: str,
    before: Mapping[str, Schema],
    now: Mapping[str, Schema],
    breaks: tuple[str, ...],
    remedy: str,
    covered: str = "",
) -> Iterator[Change]:
    """What was removed and added as a whole."""
    for name in sorted(before.keys() - now.keys()):
        yield Change(
            kind=kind, name=name, path="$", what=f"{kind} removed", breaks=breaks, covered=covered, remedy=remedy
        )
    for name in sorted(now.keys() - before.keys()):
        yield Change(kind=kind, name=name, path="$", what=f"{kind} added")


def _pairs(before: Mapping[str, Schema], now: Mapping[str, Schema]) -> Iterator[tuple[str, str, str, bool, bool]]:
    for name in before:
        if name in now:
            for found in differences(before[name], now[name]):
                yield name, found.path, found.what, found.old_data, found.new_data
