"""Compares a hop's events with Postgres: ranges first, then, where these differ, event by event."""

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from infra.audit.digests import LEAF, Item, Sum, Sums, suspects
from infra.audit.findings import Found
from infra.audit.held import Held

# The events that are expected between two positions.
Items = Callable[[int, int], list[Item]]


class Events(Protocol):
    """A hop that holds events."""

    name: str

    def items(self, after: int, upto: int) -> list[Item]:
        """The events between two positions of one range, one by one."""
        ...


@dataclass
class Reference:
    """What is held after a position, up to another: sums by range, and the positions that are lacking."""

    held: Held
    after: int
    upto: int
    sums: Sums
    lacking: set[int] = field(default_factory=set)

    def find_lacking(self, limit: int) -> int:
        """Find positions without an event, as positions are dense; at most so many are noted. Answers how many."""
        count = 0
        for leaf in range((self.after + 1) // LEAF, self.upto // LEAF + 1) if self.upto > self.after else ():
            after, upto = max(self.after, leaf * LEAF - 1), min(self.upto, leaf * LEAF + LEAF - 1)
            here = self.sums.get(leaf, _NONE).count
            after = max(after, 0)
            count += upto - after - here
            if here != upto - after and len(self.lacking) < limit:
                there = {item.position for item in self.held.items(after, upto)}
                self.lacking |= {position for position in range(after + 1, upto + 1) if position not in there}
        return count


@dataclass
class Compared:
    """Events of a hop that differ from Postgres by content, and the names of those that Postgres lacks."""

    altered: dict[int, Item] = field(default_factory=dict)
    names: dict[int, Item] = field(default_factory=dict)
    doubled: set[int] = field(default_factory=set)


def compare(
    expected: Sums, items: Items, hop: Events, sums: Sums, bounds: tuple[int, int], full: tuple[int, int], found: Found
) -> Compared:
    """Compare a hop's sums between two positions with expected ones, which were summed between those of `full`.

    `items` gives the events that are expected between two positions of one range; a second digest of None is not
    compared. Findings of missing and doubled events go to `found`, altered ones are answered.
    """
    result = Compared()
    for leaf in suspects(expected, sums, *bounds, full):
        after, upto = max(bounds[0], leaf * LEAF - 1, 0), min(bounds[1], leaf * LEAF + LEAF - 1)
        if found.full or len(result.altered) >= found.limit:
            _count(expected.get(leaf, _NONE), sums.get(leaf, _NONE), found)
            continue
        there: dict[int, list[Item]] = defaultdict(list)
        for item in hop.items(after, upto):
            there[item.position].append(item)
        _look({item.position: item for item in items(after, upto)}, there, result, found)
    return result


def _look(wanted: dict[int, Item], there: dict[int, list[Item]], result: Compared, found: Found) -> None:
    for position, item in wanted.items():
        copies = there.get(position, ())
        if not copies:
            what = f"the event is not in {found.hop}"
            found.add("missing", what, position=position, id=item.id, stream=item.stream)
        if len(copies) > 1:
            result.doubled.add(position)
            what = f"the event is {len(copies)} times in {found.hop}"
            found.add("doubled", what, position=position, id=item.id, stream=item.stream, place=copies[-1].place)
        for copy in copies:
            if copy.content != item.content or item.second not in (None, copy.second):
                result.altered[position] = copy
    result.names.update({position: copies[0] for position, copies in there.items() if position not in wanted})


def _count(expected: Sum, there: Sum, found: Found) -> None:
    """What can be told of a range without looking into it."""
    if there.distinct < expected.count:
        found.count("missing", expected.count - there.distinct)
    if there.count > there.distinct:
        found.count("doubled", there.count - there.distinct)
    if there.count == expected.count == there.distinct:
        found.count("altered", 1)


_NONE = Sum()
