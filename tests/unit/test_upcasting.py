"""Upcasters: old shapes are read as today's by every reader, today's shapes as ever, nonsense is refused."""

import dataclasses
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import msgspec
import pytest

from schemas import (
    Domain,
    Event,
    Invalid,
    Upcaster,
    current_decoder,
    encode,
    envelope_decoder,
    event_decoder,
)
from tests.evolved import FIRST, SECOND, TODAY, envelope, history

OLD, MIDDLE, NEW, RENAMED, TODAYS = history()


def test_every_shape_of_history_is_read_as_todays() -> None:
    events = [event_decoder(TODAY).decode(data) for data in history()]
    assert [type(event).__name__ for event in events] == ["Paid", "Paid", "Paid", "Closed", "Closed"]
    amounts = [event.amount for event in events[:3]]  # type: ignore[attr-defined]  # all three are Paid
    assert amounts == [Decimal("0.10"), Decimal("98765432109876.54321"), Decimal("3.00")]
    assert [event.currency for event in events[:3]] == ["EUR", "USD", "CHF"]  # type: ignore[attr-defined]  # as above


def test_an_envelope_says_todays_type_and_keeps_all_else() -> None:
    old = envelope_decoder(TODAY).decode(envelope(RENAMED, kind="Ended"))
    assert (old.type, type(old.data).__name__, old.position, old.subject) == ("Closed", "Closed", 7, "a-1")
    assert envelope_decoder(TODAY).decode(envelope(TODAYS, kind="Closed")).type == "Closed"


def test_data_of_an_old_shape_is_written_anew_and_others_are_the_very_bytes() -> None:
    event, data = current_decoder(TODAY)(OLD)
    assert data == encode(event) != OLD
    assert event_decoder(TODAY).decode(data) == event
    odd = NEW.replace(b'":"', b'": "')
    assert current_decoder(TODAY)(odd)[1] is odd
    first = current_decoder(FIRST)(OLD)
    assert first[1] is OLD


def test_without_upcasters_the_decoder_is_the_plain_one() -> None:
    assert isinstance(event_decoder(FIRST), msgspec.json.Decoder)
    assert isinstance(envelope_decoder(FIRST), msgspec.json.Decoder)


@pytest.mark.parametrize("data", [b'{"type":"Unheard"}', b'{"no":"type"}', b"[1]", NEW.replace(b'"CHF"', b"1"), b"{"])
def test_what_no_upcaster_knows_fails_as_ever(data: bytes) -> None:
    for read in (event_decoder(TODAY).decode, current_decoder(TODAY)):
        with pytest.raises(msgspec.DecodeError):
            read(data)
    with pytest.raises(msgspec.DecodeError):
        envelope_decoder(TODAY).decode(envelope(data, kind="Paid"))


def test_an_upcaster_that_fails_is_named() -> None:
    with pytest.raises(Invalid, match=r"from Paid to Paid.2 failed: KeyError"):
        event_decoder(TODAY).decode(b'{"type":"Paid","account":"a-1"}')


def test_what_an_upcaster_makes_is_validated() -> None:
    with pytest.raises(msgspec.ValidationError, match=r"\$\.account"):
        event_decoder(TODAY).decode(OLD.replace(b'"a-1"', b"1"))


def same(fields: dict[str, Any]) -> dict[str, Any]:
    return fields


class Paid(Event, frozen=True, tag="Payed.2"):
    """Its tag is not of its name."""


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (lambda d: (*d.upcasters, Upcaster("Paid", "Closed", same)), "same tag"),
        (lambda d: (*d.upcasters, Upcaster("Closed", "Paid.3", same)), "new tag"),
        (lambda d: (*d.upcasters, Upcaster("Lost", "Nowhere", same)), "no shape of today"),
        (lambda d: (*d.upcasters, Upcaster("A", "B", same), Upcaster("B", "A", same)), "no shape of today"),
    ],
)
def test_upcasters_that_make_no_sense_are_refused(change: Callable[[Domain], tuple[Upcaster, ...]], why: str) -> None:
    with pytest.raises(ValueError, match=why):
        dataclasses.replace(TODAY, upcasters=change(TODAY))


def test_a_tag_that_is_not_of_its_name_is_refused() -> None:
    with pytest.raises(ValueError, match="the tag must be its name"):
        dataclasses.replace(SECOND, upcasters=(), events=(Paid,))
