"""What a process manager declares: what it reads, what it commands, and its pure steps.

A module `streams/processes/NAME.py` declares `PROCESS = Process(name="NAME", ...)`.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from msgspec import Struct

from schemas import Command, Domain, Envelope, Event


@dataclass(frozen=True, kw_only=True)
class Input:
    """Events of a domain that a process reads, keyed by its correlation key.

    That is the partition key; or with `route`, the key of that route of the domain.
    """

    domain: Domain
    events: tuple[type[Event], ...]
    route: str = ""


@dataclass(frozen=True)
class Step:
    """What a step answers with.

    `state` is where the process stands from now on; None: it has ended, and its deadlines with it. `commands` are
    fired. `deadlines` sets instants of event time by name, and takes those away that are None; others stay.
    """

    state: Struct | None
    commands: Sequence[Command] = ()
    deadlines: Mapping[str, datetime | None] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Refusal:
    """The answer to a command of the process that was not accepted: the command's type, stream and id, and why."""

    command: str
    stream: str
    id: str
    status: int
    rule: str
    field: str
    detail: str


@dataclass(frozen=True, kw_only=True)
class Process:
    """A process manager: events in, commands out, a state for each correlation key in between.

    `commands` are the domains that it sends commands to. All steps must be pure:

    - `handle(state, event, envelope)` for each event of the inputs; `state` is None where no process is under way.
    - `due(state, name, instant)` once the event time of all inputs has passed a deadline, which is gone by then.
    - `refused(state, refusal)` when a command was not accepted; `state` is None if the process has ended since.

    Each answers with a `Step`. Events of several inputs come in any order among each other, so a step must be ready for
    each event in each state. A step that raises holds the correlation key, as a refusal or deadline without a step for
    it does. The name is durable; a changed process that is to begin anew is a new `version`.
    """

    name: str
    state: type[Struct]
    inputs: tuple[Input, ...]
    commands: tuple[Domain, ...]
    handle: Callable[[Any, Any, Envelope[Any]], Step]
    due: Callable[[Any, str, datetime], Step] | None = None
    refused: Callable[[Any, Refusal], Step] | None = None
    version: int = 1
