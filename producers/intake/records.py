"""From records of the commands topic to the handler's input, and from its results to replies and dead letters."""

from collections.abc import Sequence
from typing import Any

import msgspec
from confluent_kafka import Message
from msgspec import UNSET, Struct, UnsetType

from producers.http.intake import TRACEPARENT
from producers.http.lines import request_of
from producers.http.problems import Problem, problem
from producers.requests import Receipt, Request
from schemas import Domain, HeadraceError, Id, Invalid, encode

# Larger records than the broker takes by default can only come from a topic whose limit was raised.
_LETTER_BYTES = 4_000_000
_ERROR_CHARACTERS = 1_000


class Reply(Struct, frozen=True):
    """Value on the replies topic, keyed with the command id: what became of the command `id`, as the bulk route
    would answer it. `partition` and `offset` are the place of its record on the commands topic."""

    id: str
    partition: int
    offset: int
    status: int
    receipt: Receipt | UnsetType = UNSET
    problem: Problem | UnsetType = UNSET


class Entry(Struct, frozen=True, gc=False):
    """One record of the commands topic: the command's id, and what it asks for or the error that makes it poison."""

    message: Message
    id: str
    asked: Request | HeadraceError


class Record(Struct, frozen=True, gc=False):
    """A record to produce."""

    topic: str
    key: bytes | None
    value: bytes | None
    headers: list[tuple[str, str | bytes | None]]


class _Stub(Struct):
    """As much of a line as is needed to answer it although it cannot be read."""

    id: Any = None


def entry_of(domain: Domain, message: Message) -> Entry:
    """What a record asks for. Its value is a line of the bulk route; the headers `command-id`, `correlation-id` and
    `traceparent` are optional. Without any id it gets one that is the same at every delivery of the record.
    """
    value = message.value()
    headers: dict[str, Any] = dict(message.headers() or [])
    derived = f"{message.topic()}:{message.partition()}:{message.offset()}:{message.timestamp()[1]}"
    data = value if isinstance(value, bytes) else b""
    try:
        given = _id_in(headers, "command-id")
        asked = request_of(domain, data)
        if isinstance(asked, HeadraceError):
            return Entry(message, given or _id_of(data) or derived, asked)
        if asked.generated:
            asked.id, asked.generated = given or derived, False
        elif given is not None and given != asked.id:
            raise Invalid(f"the header says {given}, the line {asked.id}", rule="invalid-header", field="command-id")
        asked.correlation = _id_in(headers, "correlation-id")
        asked.traceparent = _traceparent(headers.get("traceparent"))
    except HeadraceError as error:
        return Entry(message, _id_of(data) or derived, error)
    return Entry(message, asked.id, asked)


def records_of(domain: Domain, entries: Sequence[Entry], results: Sequence[Receipt | HeadraceError]) -> list[Record]:
    """A reply for each entry, and a dead letter for each that was poison; `results` are those of the others."""
    made: list[Record] = []
    rest = iter(results)
    for entry in entries:
        if isinstance(entry.asked, HeadraceError):
            made.append(_letter(domain, entry, entry.asked))
            made.append(_reply(domain, entry, entry.asked))
        else:
            made.append(_reply(domain, entry, next(rest)))
    return made


def _reply(domain: Domain, entry: Entry, outcome: Receipt | HeadraceError) -> Record:
    partition, offset = entry.message.partition(), entry.message.offset()
    assert partition is not None
    assert offset is not None
    if isinstance(outcome, Receipt):
        reply = Reply(entry.id, partition, offset, 200, receipt=outcome)
    else:
        reply = Reply(entry.id, partition, offset, outcome.status, problem=problem(outcome))
    return Record(domain.replies_topic, entry.id.encode(), encode(reply), [("content-type", "application/json")])


def _letter(domain: Domain, entry: Entry, error: HeadraceError) -> Record:
    key, value = entry.message.key(), entry.message.value()
    if value is not None and len(value) > _LETTER_BYTES:
        value = None  # its bytes are on the commands topic, at the place that the headers name
    headers: list[tuple[str, str | bytes | None]] = [
        ("command-id", entry.id),
        ("error", error.detail[:_ERROR_CHARACTERS].encode("utf-8", "backslashreplace")),
        ("rule", error.rule),
        ("field", error.field.encode("utf-8", "backslashreplace")),
        ("topic", domain.commands_topic),
        ("partition", str(entry.message.partition())),
        ("offset", str(entry.message.offset())),
    ]
    return Record(domain.command_dead_letters_topic, _bytes(key), _bytes(value), headers)


def _bytes(data: str | bytes | None) -> bytes | None:
    return data.encode() if isinstance(data, str) else data


def _id_in(headers: dict[str, Any], name: str) -> str | None:
    data = headers.get(name)
    if data is None:
        return None
    try:
        return msgspec.convert(_text(data), Id)
    except (msgspec.ValidationError, UnicodeDecodeError) as error:
        sentence = f"the header {name} must be 1 to 128 of A-Z a-z 0-9 _ . : -"
        raise Invalid(sentence, rule="invalid-header", field=name) from error


def _id_of(data: bytes) -> str | None:
    """The id in a line that is otherwise unusable, if there is a valid one."""
    try:
        return msgspec.convert(msgspec.json.decode(data, type=_Stub).id, Id)
    except (msgspec.MsgspecError, UnicodeError, RecursionError, ArithmeticError):
        return None


def _traceparent(data: str | bytes | None) -> str | None:
    try:
        text = "" if data is None else _text(data)
    except UnicodeDecodeError:
        return None
    return text if TRACEPARENT.match(text) else None


def _text(data: str | bytes) -> str:
    return data if isinstance(data, str) else data.decode()
