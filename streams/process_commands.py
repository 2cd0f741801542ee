"""From the answer of a step to the row that is kept and the records of the commands that are fired."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import msgspec
from msgspec import UNSET, Struct, UnsetType

from schemas import Command, Domain, encode
from streams.changes import Outgoing
from streams.process import Refusal, Step
from streams.process_rows import ProcessRow, Sent, fitting
from streams.wiring import Wired

_ACCEPTED = 200
_UNKNOWN = Sent()


@dataclass(frozen=True, kw_only=True)
class Cause:
    """Why a step was taken: `id` names it for ever, `causation` is what is said of it beside the command."""

    id: str
    causation: str
    correlation: str
    traceparent: str


class _Line(Struct, frozen=True):
    command: Command


class _Problem(Struct, frozen=True):
    rule: str = ""
    field: str = ""
    detail: str = ""


class Reply(Struct, frozen=True):
    """As much of a record of a replies topic as is of concern here."""

    id: str
    status: int = _ACCEPTED
    problem: _Problem | UnsetType = UNSET

    def refusal(self, sent: Sent = _UNKNOWN) -> Refusal | None:
        """What the process is told; None: the command was accepted."""
        if self.problem is UNSET:
            return None
        problem = self.problem
        return Refusal(
            command=sent.command,
            stream=sent.stream,
            id=self.id,
            status=self.status,
            rule=problem.rule,
            field=problem.field,
            detail=problem.detail,
        )


reply_decoder = msgspec.json.Decoder(Reply)


def after(
    wired: Wired, key: bytes, row: ProcessRow[Any], step: Step, cause: Cause
) -> tuple[ProcessRow[Any], list[Outgoing]]:
    """The row after a step, and its commands. Raises what makes the step unusable."""
    if not isinstance(step, Step):
        raise TypeError(f"a step of {wired.names.name} answered with {step!r}, which is no Step")
    sent, outgoing = dict(row.sent), []
    for index, command in enumerate(step.commands):
        id_ = wired.names.command_id(cause.id, index)
        domain = _domain_of(wired, command)
        stream = domain.stream_of(command)
        headers = _headers(key, id_, cause)
        outgoing.append(Outgoing(domain.commands_topic, stream.encode(), _value(command), headers))
        sent[id_] = Sent(type(command).__name__, stream)
    return (
        ProcessRow(
            state=step.state,
            deadlines={} if step.state is None else _deadlines(row.deadlines, step.deadlines),
            sent=sent,
            answers=row.answers,
            correlation=cause.correlation,
            traceparent=cause.traceparent,
        ),
        outgoing,
    )


def _deadlines(present: Mapping[str, datetime], changed: Mapping[str, datetime | None]) -> dict[str, datetime]:
    made = dict(present)
    for name, instant in changed.items():
        if instant is None:
            made.pop(name, None)
        elif instant.tzinfo is None:
            raise ValueError(f"the deadline {name} has no time zone: {instant}")
        else:
            made[name] = instant
    return made


def _domain_of(wired: Wired, command: Command) -> Domain:
    domain = wired.commanded.get(type(command))
    if domain is None:
        raise LookupError(f"{type(command).__name__} is a command of no domain that {wired.names.name} commands")
    return domain


def _value(command: Command) -> bytes:
    return fitting(encode(_Line(command)), "command")


def _headers(key: bytes, id_: str, cause: Cause) -> list[tuple[str, str | bytes | None]]:
    headers: list[tuple[str, str | bytes | None]] = [
        ("command-id", id_),
        ("correlation-id", cause.correlation),
        ("causation-id", cause.causation),
        ("reply-key", key),
    ]
    if cause.traceparent:
        headers.append(("traceparent", cause.traceparent))
    return headers
