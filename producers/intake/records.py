"""From records of the commands topic to the handler's input, and from its results to replies and dead letters."""

from collections.abc import Sequence
from typing import Any

import msgspec
from confluent_kafka import Message
from msgspec import UNSET, Struct, UnsetType

from producers.handling.requests import Receipt, Request
from producers.http.intake import TRACEPARENT, id_in
from producers.http.lines import request_of
from producers.http.problems import Problem, problem
from schemas import PROCESS_PREFIX, Domain, HeadraceError, Id, Invalid, encode, personal_fields

# Larger records than the broker takes by default can only come from a topic whose limit was raised.
_LETTER_BYTES = 4_000_000
_ERROR_CHARACTERS = 1_000


class Reply(Struct, frozen=True):
    """Value on the replies topic, keyed with the command id (for process managers, as they say): what became of the
    command `id`, as the bulk route would answer it. `partition` and `offset` are the place of its record on the
    commands topic."""

    id: str
    partition: int
    offset: int
    status: int
    receipt: Receipt | UnsetType = UNSET
    problem: Problem | UnsetType = UNSET


class Entry(Struct, frozen=True, gc=False):
    """One record of the commands topic: the command's id, and what it asks for or the error that makes it poison.

    `reply_key` is the key of the reply's record, where it is not the id.
    """

    message: Message
    id: str
    asked: Request | HeadraceError
    reply_key: bytes | None = None


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

    Only here an id may be that of a process manager (in the header); its header `reply-key` then is the key of the
    reply, so that replies come back in the order of what the process is about.
    """
    headers: dict[str, Any] = dict(message.headers() or [])
    id_, asked = _asked(domain, message, headers)
    reply_key = headers.get("reply-key") if id_.startswith(PROCESS_PREFIX) else None
    return Entry(message, id_, asked, _bytes(reply_key) or None)


def _asked(domain: Domain, message: Message, headers: dict[str, Any]) -> tuple[str, Request | HeadraceError]:
    value = message.value()
    derived = f"{message.topic()}:{message.partition()}:{message.offset()}:{message.timestamp()[1]}"
    data = value if isinstance(value, bytes) else b""
    try:
        given = _id_in(headers, "command-id", processes=True)
        asked = request_of(domain, data)
        if isinstance(asked, HeadraceError):
            return given or _id_of(data) or derived, asked
        if asked.generated:
            asked.id, asked.generated = given or derived, False
        elif given is not None and given != asked.id:
            raise Invalid(f"the header says {given}, the line {asked.id}", rule="invalid-header", field="command-id")
        asked.correlation = _id_in(headers, "correlation-id")
        asked.traceparent = _traceparent(headers.get("traceparent"))
        _check_personal(asked)
    except HeadraceError as error:
        return _id_of(data) or derived, error
    return asked.id, asked


def _check_personal(request: Request) -> None:
    """What process managers send holds sealed values only; what others send stands on the topic in plain text."""
    if request.id.startswith(PROCESS_PREFIX):
        return
    for field in personal_fields(type(request.command)):
        if getattr(request.command, field) is not None:
            raise Invalid(
                f"{field} is personal: the commands topic would keep it in plain text; send the command over HTTP",
                rule="personal-over-kafka",
                field=field,
            )


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
    return Record(
        domain.replies_topic,
        entry.reply_key or entry.id.encode(),
        encode(reply),
        [("content-type", "application/json")],
    )


def _letter(domain: Domain, entry: Entry, error: HeadraceError) -> Record:
    key, value = entry.message.key(), entry.message.value()
    if value is not None and (len(value) > _LETTER_BYTES or domain.holds_personal):
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


def _id_in(headers: dict[str, Any], name: str, *, processes: bool = False) -> str | None:
    data = headers.get(name)
    if data is None:
        return None
    text = data if isinstance(data, str) else data.decode(errors="replace")
    id_in(text.removeprefix(PROCESS_PREFIX) if processes else text, name)
    return text


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
