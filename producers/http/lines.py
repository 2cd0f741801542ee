"""The lines of the bulk route: NDJSON in, NDJSON out."""

from functools import cache
from typing import Annotated, Any, Generic, TypeVar, Union

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

from producers.handling.requests import Receipt, Request
from producers.http.intake import generated_id
from producers.http.problems import Problem, problem
from schemas import Domain, HeadraceError, Id, Invalid, Malformed, TooLarge, decode_command, explained

C = TypeVar("C")
Version = Annotated[int, Meta(ge=0)]
MAX_LINE = 1_000_000


class Line(Struct, Generic[C], frozen=True, forbid_unknown_fields=True):
    """One line: a command, its idempotency key (generated when left out), the version that the client acts on.

    `expected_versions` are those of further streams, by stream id.
    """

    command: C
    id: Id | None = None
    expected_version: Version | None = None
    expected_versions: dict[str, Version] | None = None


class LineResult(Struct, frozen=True):
    """What became of line `line` (from 1): a receipt or a problem document, with its HTTP status."""

    line: int
    status: int
    receipt: Receipt | UnsetType = UNSET
    problem: Problem | UnsetType = UNSET


class Splitter:
    """Cuts a stream of bytes into numbered lines; one longer than `MAX_LINE` is cut to a byte more than that."""

    def __init__(self) -> None:
        self.next = 1
        self._rest = b""

    def feed(self, chunk: bytes) -> list[tuple[int, bytes]]:
        """The lines that end in `chunk` and are not blank, each with its number from 1."""
        lines = (self._rest + chunk).split(b"\n")
        rest = lines.pop()
        self._rest = rest if len(rest) <= MAX_LINE else rest[: MAX_LINE + 1]
        first, self.next = self.next, self.next + len(lines)
        return [(number, line) for number, line in enumerate(lines, first) if line and not line.isspace()]

    def finish(self) -> list[tuple[int, bytes]]:
        """The last line, when it does not end in a newline."""
        return self.feed(b"\n") if self._rest else []


def result(line: int, outcome: Receipt | HeadraceError) -> LineResult:
    """The result line of one command."""
    if isinstance(outcome, Receipt):
        return LineResult(line, 200, receipt=outcome)
    return LineResult(line, outcome.status, problem=problem(outcome))


encode_results = msgspec.json.Encoder().encode_lines


@cache
def _decoder(domain: Domain) -> msgspec.json.Decoder[Line[Any]]:
    return msgspec.json.Decoder(Line[Union[domain.commands]])  # type: ignore[name-defined]  # a type made at run time


@cache
def _raw_decoder() -> msgspec.json.Decoder[Line[msgspec.Raw]]:
    return msgspec.json.Decoder(Line[msgspec.Raw])


def request_of(domain: Domain, data: bytes) -> Request | HeadraceError:
    """The handler's input for one line, or the error that its result line tells of."""
    if len(data) > MAX_LINE:
        return TooLarge(f"the line is longer than {MAX_LINE} bytes", rule="line-too-long")
    try:
        line = _decoder(domain).decode(data)
    except (msgspec.DecodeError, ArithmeticError, UnicodeError, RecursionError):
        return _error(domain, data)
    key = line.id
    return Request(
        line.command,
        generated_id() if key is None else key,
        key is None,
        line.expected_version,
        size=len(data),
        expected_versions=line.expected_versions,
    )


def _error(domain: Domain, data: bytes) -> HeadraceError:
    try:
        decode_command(domain, bytes(_raw_decoder().decode(data).command))
    except Invalid as error:
        return error
    except msgspec.ValidationError as error:
        detail, field = explained(error)
        return Invalid(detail, rule="invalid-line", field=field)
    except (msgspec.DecodeError, ArithmeticError, UnicodeError, RecursionError) as error:
        return Malformed(f"the line is not valid JSON: {error}", rule="malformed-json")
    return Invalid("the line cannot be read", rule="invalid-line")
