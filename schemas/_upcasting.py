"""Upcasters: stored events of older shapes, brought to today's when they are decoded. Stored bytes never change.

The tag `type` in an event's data names its shape: the class's name for the first one, `Name.2`, `Name.3`, ... for later
ones (`class OrderPlaced(Event, tag="OrderPlaced.2")`). So an old shape is never taken for a new one, and a type that
was renamed or removed is one more old tag.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Protocol, TypeVar, Union

import msgspec

from schemas._envelope import Envelope
from schemas._errors import Invalid
from schemas._types import Event

T_co = TypeVar("T_co", covariant=True)
Fields = dict[str, Any]


class Decoder(Protocol[T_co]):
    """What decodes bytes; raises msgspec.DecodeError, or Invalid when an upcaster fails."""

    def decode(self, data: bytes, /) -> T_co: ...


@dataclass(frozen=True)
class Upcaster:
    """Brings the fields of a stored event with the tag `old` to the shape with the tag `new`.

    `change` gets the fields as they stand in JSON (numbers with a fraction as Decimal) without the tag, and answers
    those of the new shape; it is pure. `new` may be an old tag itself: upcasters are followed up to today's shape.
    """

    old: str
    new: str
    change: Callable[[Fields], Fields]


def tag_of(kind: type[msgspec.Struct]) -> str:
    """The tag of a command's or event's class: the value of `type` in its data."""
    return str(kind.__struct_config__.tag)


def chains(events: Sequence[type[Event]], upcasters: Sequence[Upcaster]) -> dict[str, tuple[Upcaster, ...]]:
    """For each old tag the upcasters that lead from it to today's shape, in order.

    Raises ValueError for tags or upcasters that make no sense, saying what to do.
    """
    today = {tag_of(event): event for event in events}
    for tag, event in today.items():
        if not re.fullmatch(rf"{event.__name__}(\.([2-9]|[1-9]\d+))?", tag):
            raise ValueError(f"{event.__name__}: the tag must be its name or {event.__name__}.2, .3, ..., not {tag!r}")
    steps = {upcaster.old: upcaster for upcaster in upcasters}
    if len(steps) < len(upcasters):
        raise ValueError("two upcasters start from the same tag: one shape has one successor")
    if clash := steps.keys() & today.keys():
        raise ValueError(f"an upcaster starts from {min(clash)!r}, a shape of today: give the new shape a new tag")
    found = {}
    for old in steps:
        way = [steps[old]]
        while way[-1].new not in today:
            if way[-1].new not in steps or len(way) > len(steps):
                raise ValueError(f"the upcaster from {old!r} ends at {way[-1].new!r}, which is no shape of today")
            way.append(steps[way[-1].new])
        found[old] = tuple(way)
    return found


class _Tag(msgspec.Struct):
    type: str


_tag = msgspec.json.Decoder(_Tag).decode
_fields = msgspec.json.Decoder(Fields, float_hook=Decimal).decode
_numbers = msgspec.json.Encoder(decimal_format="number").encode


class UpcastingEvents:
    """Decoder of a domain's stored events of whatever shape. Today's shapes cost one decode and nothing else."""

    def __init__(self, events: Sequence[type[Event]], upcasters: Sequence[Upcaster]) -> None:
        self._today: Callable[[bytes], Event] = msgspec.json.Decoder(Union[tuple(events)]).decode
        self._chains: Mapping[str, Sequence[Upcaster]] = chains(events, upcasters)

    def decode(self, data: bytes, /) -> Event:
        """The event."""
        try:
            return self._today(data)
        except msgspec.ValidationError:
            event = self.upcast(data)
            if event is None:
                raise
            return event

    def upcast(self, data: bytes) -> Event | None:
        """The event, when its stored shape is an old one; else None."""
        way = self._chains.get(_tag(data).type)
        if way is None:
            return None
        fields = _fields(data)
        del fields["type"]
        for upcaster in way:
            try:
                fields = upcaster.change(fields)
            except Exception as error:  # the domain's own code
                detail = f"the upcaster from {upcaster.old} to {upcaster.new} failed: {error!r}"
                raise Invalid(detail, rule="upcaster-failed") from error
        return self._today(_numbers({**fields, "type": way[-1].new}))


class UpcastingEnvelopes:
    """Decoder of records of the events topic whose events are of whatever shape."""

    def __init__(self, today: Decoder[Envelope[Any]], events: UpcastingEvents) -> None:
        self._today = today.decode
        self._raw = msgspec.json.Decoder(Envelope[msgspec.Raw]).decode
        self._events = events

    def decode(self, data: bytes, /) -> Envelope[Any]:
        """The envelope; `type` and `data` are of today."""
        try:
            return self._today(data)
        except msgspec.ValidationError:
            raw = self._raw(data)
            event = self._events.upcast(bytes(raw.data))
            if event is None:
                raise
            return msgspec.structs.replace(raw, type=type(event).__name__, data=event)
