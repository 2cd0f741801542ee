"""From the body and headers of a request to the command handler's input."""

import os
import re
import time
import uuid
from functools import cache
from typing import Any

import msgspec
from litestar import Request as HttpRequest

from producers.handling.requests import Request
from schemas import Command, Domain, Id, Invalid, Malformed, decode_command

TRACEPARENT = re.compile(r"[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}\Z")
_FIELDS = msgspec.json.Decoder(dict[str, msgspec.Raw])
_ENCODE = msgspec.json.Encoder().encode


@cache
def _decoder(command: type[Command]) -> msgspec.json.Decoder[Command]:
    return msgspec.json.Decoder(command)


def id_in(text: str, name: str, rule: str = "invalid-header") -> str:
    """An id that a client gives in the header, or option, `name`. Raises Invalid."""
    try:
        return msgspec.convert(text, Id)
    except msgspec.ValidationError as error:
        raise Invalid(f"{name} must be 1 to 128 of A-Z a-z 0-9 _ . : -", rule=rule, field=name) from error


def generated_id() -> str:
    """A fresh command id: a UUID of version 7 (RFC 9562), so that ids of one time lie together in the index."""
    chance = int.from_bytes(os.urandom(10), "big")
    number = (time.time_ns() // 1_000_000) << 80 | 7 << 76 | (chance >> 68) << 64 | 2 << 62 | chance & (1 << 62) - 1
    return str(uuid.UUID(int=number))


def command_of(domain: Domain, kind: type[Command], body: bytes) -> Command:
    """The command of the given kind in `body`, whose `type` may be left out. Raises Invalid with the field."""
    try:
        return _decoder(kind).decode(body)
    except (msgspec.DecodeError, ArithmeticError, UnicodeError, RecursionError):
        fields, name = _object(body), msgspec.Raw(_ENCODE(kind.__name__))
        if fields.setdefault("type", name) != name:
            raise Invalid(f"this path takes {kind.__name__} only", rule="unknown-command", field="type") from None
        return decode_command(domain, _ENCODE(fields))


def command_at(domain: Domain, kind: type[Command], field: str | None, stream: str, body: bytes) -> Command:
    """The command of the given kind for the stream `stream`, whose field may be left out of `body`."""
    if field is not None:
        fields = _object(body or b"{}")
        fields.setdefault(field, msgspec.Raw(_ENCODE(stream)))
        body = _ENCODE(fields)
    command = command_of(domain, kind, body)
    if domain.stream_of(command) != stream:
        raise Invalid(
            f"the path says {stream}, the body {domain.stream_of(command)}", rule="path-mismatch", field=field or ""
        )
    return command


def request_of(http: HttpRequest[Any, Any, Any], command: Command, size: int) -> Request:
    """The handler's input: the command with what the headers say. Raises Invalid for a bad header."""
    headers = http.headers
    key, correlation = headers.get("idempotency-key"), headers.get("x-correlation-id")
    traceparent = headers.get("traceparent", "")
    return Request(
        command,
        id_in(key.strip('"'), "Idempotency-Key") if key is not None else generated_id(),
        generated=key is None,
        expected_version=_version(headers.get("if-match")),
        correlation=None if correlation is None else id_in(correlation, "X-Correlation-ID"),
        traceparent=traceparent if TRACEPARENT.match(traceparent) else None,
        size=size,
    )


def _object(body: bytes) -> dict[str, msgspec.Raw]:
    try:
        return _FIELDS.decode(body)
    except msgspec.ValidationError as error:
        raise Invalid("the body must be a JSON object", rule="invalid-field") from error
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        raise Malformed(f"the body is not valid JSON: {error}", rule="malformed-json") from error


def _version(text: str | None) -> int | None:
    if text is None or text == "*":
        return None
    digits = text.removeprefix("W/").strip('"')
    if not re.fullmatch(r"[0-9]{1,15}", digits):
        raise Invalid('If-Match must be a version, such as "3"', rule="invalid-header", field="If-Match")
    return int(digits)
