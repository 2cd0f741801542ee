"""What is kept of a process manager in its state topic: a row a correlation key, and how far its inputs are applied."""

from datetime import datetime
from typing import Any, Generic, TypeVar

import msgspec
from msgspec import Struct

from schemas import RESERVED_PREFIX, encode
from streams.process import Refusal

T = TypeVar("T")

PROGRESS_KEY = f"{RESERVED_PREFIX}progress".encode()
_MOST_BYTES = 900_000


class TooMuch(ValueError):
    """A row or a command that is too large to be written."""


class Sent(Struct, frozen=True):
    """A command that was not answered yet: its type, and its stream."""

    command: str = ""
    stream: str = ""


class ProcessRow(Struct, Generic[T], frozen=True, kw_only=True, omit_defaults=True):
    """One process: `state` None when it has ended and only waits for answers.

    `sent` has the commands that were not answered yet, by id. `answers` came, in a replay, before the step
    that sent their commands; None: accepted. `correlation` and `traceparent` are those of the last event.
    """

    state: T | None = None
    deadlines: dict[str, datetime] = {}
    sent: dict[str, Sent] = {}
    answers: dict[str, Refusal | None] = {}
    correlation: str = ""
    traceparent: str = ""


class Reached(Struct, kw_only=True, omit_defaults=True):
    """How far one topic is applied: `offset` is the next to apply."""

    offset: int = 0
    position: int = 0
    time: datetime | None = None
    watermark: datetime | None = None


class Progress(Struct, kw_only=True, omit_defaults=True):
    """How far a partition is, by topic. What stands below the offsets `fired` has led to its commands already, but for
    the keys `unfired`, which an earlier version held."""

    topics: dict[str, Reached] = {}
    fired: dict[str, int] = {}
    unfired: list[str] = []


progress_decoder = msgspec.json.Decoder(Progress)


def row_decoder(state: type[Struct]) -> msgspec.json.Decoder[ProcessRow[Any]]:
    """Decoder of rows with that type of state."""
    return msgspec.json.Decoder(ProcessRow[state])  # type: ignore[valid-type]  # a type made at run time


def encoded(row: ProcessRow[Any]) -> bytes | None:
    """The row as it is written; None when nothing of the process is left. Raises TooMuch."""
    if row.state is None and not row.sent and not row.answers:
        return None
    return fitting(encode(row), "state of a process")


def fitting(value: bytes, what: str) -> bytes:
    """The value. Raises TooMuch if Kafka would not take it."""
    if len(value) > _MOST_BYTES:
        raise TooMuch(f"the {what} has {len(value):,} bytes, more than {_MOST_BYTES:,}")
    return value
