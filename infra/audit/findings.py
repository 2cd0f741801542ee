"""What an audit finds."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

from msgspec import Struct

Kind = Literal[
    "missing",
    "doubled",
    "altered",
    "disordered",
    "extra",
    "quarantined",
    "violation",
]
# A value is shown up to so many characters.
_SHOWN = 300


class Difference(Struct, frozen=True):
    """One column that differs: what the reference says, and what was found."""

    column: str
    expected: str
    found: str


class Finding(Struct, frozen=True, omit_defaults=True):
    """One thing that is not as it should be: where, what, and by what names it goes.

    Of an event `position`, `id` and `stream` are given as far as any hop knows them, of a row its `key`. `partition`
    and `offset` are those of the record that was found, or that a row is of.
    """

    domain: str
    hop: str
    kind: Kind
    detail: str
    position: int | None = None
    id: str | None = None
    stream: str | None = None
    key: str | None = None
    differences: tuple[Difference, ...] = ()
    partition: int | None = None
    offset: int | None = None


class Hop(Struct, frozen=True):
    """What was audited of one hop: up to which position (of rows: that of the last watermark) and how much.

    `count` counts events or rows that are there, `distinct` different ones. `lag` says that it had not reached the
    position by then, `unchecked` why it could not be compared; both are empty for a hop that was.
    """

    name: str
    upto: int = 0
    count: int = 0
    distinct: int = 0
    missing: int = 0
    doubled: int = 0
    altered: int = 0
    other: int = 0
    seconds: float = 0.0
    note: str = ""
    lag: str = ""
    unchecked: str = ""

    @property
    def wrong(self) -> int:
        """How many things are not as they should be."""
        return self.missing + self.doubled + self.altered + self.other


class Report(Struct, frozen=True):
    """The audit of one domain after position `since`, up to `head`, its end when the audit began.

    `violations` is the sum of the violations of the domain's constraints.
    """

    domain: str
    since: int
    head: int
    upto: int
    violations: int
    seconds: float
    hops: tuple[Hop, ...]
    findings: tuple[Finding, ...]

    @property
    def clean(self) -> bool:
        """Whether nothing is wrong in what was compared."""
        return not any(hop.wrong for hop in self.hops)

    @property
    def complete(self) -> bool:
        """Whether every hop was compared up to the domain's end."""
        return not any(hop.lag or hop.unchecked for hop in self.hops)


@dataclass
class Found:
    """Collects the findings of one hop; lists the first `limit` and counts all."""

    domain: str
    hop: str
    limit: int
    listed: list[Finding] = field(default_factory=list)
    counts: dict[str, int] = field(default_factory=dict)

    def add(
        self, kind: Kind, detail: str, *, position: int | None = None, id: str | None = None,  # noqa: A002
        stream: str | None = None, key: str | None = None, differences: Sequence[Difference] = (),
        place: tuple[int, int] | None = None,
    ) -> None:  # fmt: skip
        """Note one finding."""
        self.count(kind, 1)
        if len(self.listed) < self.limit:
            names, (partition, offset) = (position, id, stream, key), place or (None, None)
            found = Finding(self.domain, self.hop, kind, detail, *names, tuple(differences), partition, offset)
            self.listed.append(found)

    def count(self, kind: Kind, number: int) -> None:
        """Count findings that are not listed."""
        self.counts[kind] = self.counts.get(kind, 0) + number

    @property
    def full(self) -> bool:
        """Whether no more are listed."""
        return len(self.listed) >= self.limit

    def hop_of(self, *, upto: int, count: int, distinct: int, seconds: float, note: str = "", lag: str = "") -> Hop:
        """The hop with what was found in it."""
        missing, doubled, altered = (self.counts.get(kind, 0) for kind in ("missing", "doubled", "altered"))
        other = sum(self.counts.values()) - missing - doubled - altered
        numbers = (upto, count, distinct, missing, doubled, altered, other)
        return Hop(self.hop, *numbers, seconds=seconds, note=note, lag=lag)


def shown(value: object) -> str:
    """A value as a finding shows it."""
    text = value.decode(errors="replace") if isinstance(value, bytes) else str(value)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}... ({len(text):,} characters)"


def differences(expected: dict[str, object], found: dict[str, object]) -> tuple[Difference, ...]:
    """The columns in which two rows differ."""
    return tuple(
        Difference(name, shown(value), shown(found.get(name)))
        for name, value in expected.items()
        if found.get(name) != value
    )
