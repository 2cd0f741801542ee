"""JSON codecs of a domain, made once and reused: decoding validates, encoding gives the bytes that are stored."""

import re
from collections.abc import Callable
from functools import cache
from typing import Any, Union

import msgspec

from schemas._domain import Aggregate, Domain
from schemas._envelope import Envelope, Row
from schemas._errors import Invalid, Malformed
from schemas._types import BadField, Command, Event
from schemas._upcasting import Decoder, UpcastingEnvelopes, UpcastingEvents

_FIELD = re.compile(r"field `(\w+)`")

encode = msgspec.json.Encoder(decimal_format="string", uuid_format="canonical").encode


@cache
def command_decoder(domain: Domain) -> msgspec.json.Decoder[Command]:
    """Decoder of any command of the domain, by the tag `type`."""
    return msgspec.json.Decoder(Union[domain.commands])


@cache
def event_decoder(domain: Domain) -> Decoder[Event]:
    """Decoder of any event's stored data, whatever shape it was stored in; the event is of today's."""
    return _upcasting(domain) if domain.upcasters else msgspec.json.Decoder(Union[domain.events])


@cache
def envelope_decoder(domain: Domain) -> Decoder[Envelope[Any]]:
    """Decoder of a record of the events topic, envelope and typed event in one pass; the event is of today's shape."""
    today: Decoder[Envelope[Any]] = msgspec.json.Decoder(Envelope[Union[domain.events]])  # type: ignore[name-defined]  # a type made at run time
    return UpcastingEnvelopes(today, _upcasting(domain)) if domain.upcasters else today


@cache
def current_decoder(domain: Domain) -> Callable[[bytes], tuple[Event, bytes]]:
    """Decodes stored data to an event and its data in today's shape: the very bytes, unless of an older one."""
    today, upcasting = msgspec.json.Decoder(Union[domain.events]).decode, _upcasting(domain)

    def current(data: bytes) -> tuple[Event, bytes]:
        try:
            return today(data), data
        except msgspec.ValidationError:
            event = upcasting.upcast(data)
            if event is None:
                raise
            return event, encode(event)

    return current


@cache
def _upcasting(domain: Domain) -> UpcastingEvents:
    return UpcastingEvents(domain.events, domain.upcasters)


@cache
def row_decoder(aggregate: Aggregate) -> msgspec.json.Decoder[Row[Any]]:
    """Decoder of a record of the aggregate's topic."""
    return msgspec.json.Decoder(Row[aggregate.value])  # type: ignore[name-defined]  # a type made at run time


def decode_command(domain: Domain, body: bytes) -> Command:
    """The command in `body`. Raises Invalid with the rule and, where there is one, the field's path."""
    try:
        return command_decoder(domain).decode(body)
    except msgspec.ValidationError as error:
        detail, field = explained(error)
        if field == "type":
            known = ", ".join(sorted(c.__name__ for c in domain.commands))
            detail = f"unknown command: `type` must be one of {known}"
            raise Invalid(detail, rule="unknown-command", field="type") from error
        raise Invalid(detail, rule="invalid-field", field=field) from error
    except (msgspec.DecodeError, ArithmeticError, UnicodeError, RecursionError) as error:
        raise Malformed(f"the body is not valid JSON: {error}", rule="malformed-json") from error


def explained(error: msgspec.ValidationError) -> tuple[str, str]:
    """What is wrong, and the path of the field where: `lines[0].price`; empty for the whole."""
    detail, _, path = str(error).partition(" - at ")
    field = path.strip("`").removeprefix("$").removeprefix(".")
    named = _FIELD.search(detail)
    last = named[1] if named else error.__cause__.field if isinstance(error.__cause__, BadField) else ""
    return detail, ".".join(filter(None, (field, last)))
