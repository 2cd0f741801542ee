"""What a verification finds."""

from typing import Literal

from msgspec import Struct

Kind = Literal[
    "altered-data",
    "altered-metadata",
    "deleted-row",
    "inserted-row",
    "reordered-rows",
    "tail-cut",
    "removed-stream",
    "older-database",
    "forked-history",
    "altered-head",
    "altered-stream-row",
    "altered-command-row",
    "deleted-command-row",
    "altered-skip",
    "removed-skip",
    "bad-checkpoint",
]


class Finding(Struct, frozen=True, omit_defaults=True):
    """One sign of tampering: its kind, a sentence, and the first bad row as far as it is known.

    `id` is that of the event, of a command for an `altered-command-row`, of the event that was skipped for a skip.
    """

    kind: Kind
    detail: str
    domain: str
    position: int | None = None
    stream: str | None = None
    version: int | None = None
    id: str | None = None


class Report(Struct, frozen=True):
    """What was verified of a domain: its end, from which position on, up to where all is good, and how much."""

    domain: str
    head: int
    since: int
    good: int
    events: int
    streams: int
    commands: int
    skips: int
    checkpoints: int
    seconds: float
    findings: tuple[Finding, ...]
