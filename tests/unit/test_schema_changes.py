"""Changes of schemas: each kind is told apart, whom it breaks is said, upcasters and projections cover it."""

import dataclasses
from typing import Annotated, Any, Literal

import msgspec
import pytest
from msgspec import UNSET, Meta, Struct, UnsetType

from infra.contract.changes import changes, missing
from infra.contract.differences import differences
from infra.contract.released import document, released, write
from schemas import Aggregate, Domain, Event, Fatal, Instant, Schema, Upcaster, discover, json_schema
from schemas.orders import DOMAIN, Order, OrderPlaced
from tests.evolved import FIRST, SECOND, TODAY


def test_todays_schemas_break_nothing_that_was_released() -> None:
    before, known = released(), discover()
    assert "orders" in before
    assert before.keys() <= known.keys()
    found = [change for name, last in before.items() for change in changes(known[name], last)]
    assert [change for change in found if change.breaking] == []


Alphas = Annotated[str, Meta(pattern="a")]
Betas = Annotated[str, Meta(pattern="b")]


class Inner(Struct):
    a: int


class Shut(Struct, forbid_unknown_fields=True):
    a: int


class ShutMore(Struct, forbid_unknown_fields=True):
    a: int
    b: int = 0


class Cat(Struct, tag=True):
    a: int


class Dog(Struct, tag=True):
    a: int


class Node(Struct):
    below: "list[Node]"
    a: int


class NodeOfText(Struct):
    below: "list[NodeOfText]"
    a: str


def _with(**fields: Any) -> Schema:
    """The schema of a struct with these fields: a type, or a type and its default."""
    listed = [(name, *each) if isinstance(each, tuple) else (name, each) for name, each in fields.items()]
    return json_schema(msgspec.defstruct("Made", listed, kw_only=True))


FIXED, BREAKS_OLD, BREAKS_NEW, BREAKS_BOTH = (False, False), (True, False), (False, True), (True, True)


@pytest.mark.parametrize(
    ("old", "new", "path", "what", "breaks"),
    [
        (_with(), _with(x=(int, 0)), "$.x", "field added with a default", FIXED),
        (_with(), _with(x=int), "$.x", "required field added", BREAKS_OLD),
        (_with(x=int), _with(), "$.x", "field removed", BREAKS_NEW),
        (_with(x=(int, 0)), _with(), "$.x", "field removed", FIXED),
        (_with(x=(int, 0)), _with(x=int), "$.x", "became required", BREAKS_OLD),
        (_with(x=int), _with(x=(int, 0)), "$.x", "became optional", FIXED),
        (_with(x=int), _with(x=(int | UnsetType, UNSET)), "$.x", "became optional", BREAKS_NEW),
        (_with(x=(int, 0)), _with(x=(int, 1)), "$.x", "default changed from 0 to 1", FIXED),
        (_with(x=int), _with(x=str), "$.x", "type changed from integer to string", BREAKS_BOTH),
        (_with(x=int), _with(x=int | None), "$.x", "type widened", BREAKS_NEW),
        (_with(x=int | None), _with(x=int), "$.x", "type narrowed", BREAKS_OLD),
        (_with(x=int), _with(x=float), "$.x", "type widened from integer to number", BREAKS_NEW),
        (_with(x=float), _with(x=int), "$.x", "type narrowed", BREAKS_OLD),
        (_with(x=int), _with(x=Any), "$.x", "type widened", BREAKS_NEW),
        (_with(x=Any), _with(x=int), "$.x", "type narrowed", BREAKS_OLD),
        (_with(x=Literal["a"]), _with(x=Literal["a", "b"]), "$.x", "values added: b", BREAKS_NEW),
        (_with(x=Literal["a", "b"]), _with(x=Literal["a"]), "$.x", "values removed: b", BREAKS_OLD),
        (_with(x=str), _with(x=Literal["a"]), "$.x", "narrowed to the values a", BREAKS_OLD),
        (_with(x=Literal["a"]), _with(x=str), "$.x", "widened from the values a", BREAKS_NEW),
        (_with(x=int), _with(x=Annotated[int, Meta(ge=1)]), "$.x", "constraint tightened: minimum", BREAKS_OLD),
        (_with(x=Annotated[int, Meta(ge=2)]), _with(x=Annotated[int, Meta(ge=1)]), "$.x", "loosened", BREAKS_NEW),
        (_with(x=Annotated[int, Meta(le=2)]), _with(x=Annotated[int, Meta(le=1)]), "$.x", "tightened", BREAKS_OLD),
        (_with(x=Annotated[int, Meta(le=2)]), _with(x=int), "$.x", "loosened", BREAKS_NEW),
        (_with(x=str), _with(x=Annotated[str, Meta(max_length=9)]), "$.x", "tightened: maxLength", BREAKS_OLD),
        (_with(x=Alphas), _with(x=Betas), "$.x", "changed: pattern", BREAKS_BOTH),
        (_with(x=str), _with(x=Instant), "$.x", "tightened: format", BREAKS_OLD),
        (_with(x=list[int]), _with(x=list[str]), "$.x[*]", "type changed", BREAKS_BOTH),
        (_with(x=tuple[int, str]), _with(x=tuple[int, int]), "$.x[1]", "type changed", BREAKS_BOTH),
        (_with(x=dict[str, int]), _with(x=dict[str, str]), "$.x.*", "type changed", BREAKS_BOTH),
        (_with(x=dict[str, int]), _with(x=dict[str, Any]), "$.x.*", "type widened", BREAKS_NEW),
        (_with(x=list[Inner]), _with(x=list[Shut]), "$.x[*].*", "refused now", BREAKS_OLD),
        (_with(x=Shut), _with(x=ShutMore), "$.x.b", "field added with a default", BREAKS_NEW),
        (_with(x=ShutMore), _with(x=Shut), "$.x.b", "field removed", BREAKS_OLD),
        (_with(x=Cat | Dog), _with(x=Cat), "$.x", "type narrowed", BREAKS_OLD),
        (_with(x=Node), _with(x=NodeOfText), "$.x.a", "type changed", BREAKS_BOTH),
    ],
)  # fmt: skip
def test_a_difference_is_told_with_its_path_and_whom_it_breaks(
    old: Schema, new: Schema, path: str, what: str, breaks: tuple[bool, bool]
) -> None:
    [found] = differences(old, new)
    assert (found.path, (found.old_data, found.new_data)) == (path, breaks)
    assert what in found.what


def test_equal_schemas_and_other_descriptions_are_no_difference() -> None:
    described = _with(x=Annotated[int, Meta(description="else", title="other")])
    assert differences(_with(x=int), described) == differences(json_schema(OrderPlaced), json_schema(OrderPlaced)) == []


class Gift(Struct, frozen=True):
    note: str


class OrderPlacedAnew(OrderPlaced, frozen=True, kw_only=True, tag="OrderPlaced"):
    """As OrderPlaced, with a field more."""

    gift: Gift


OrderPlacedAnew.__name__ = "OrderPlaced"


class OrderPlacedSecond(OrderPlacedAnew, frozen=True, kw_only=True, tag="OrderPlaced.2"):
    """The same under a tag of its own."""


OrderPlacedSecond.__name__ = "OrderPlaced"


def _replaced(domain: Domain, event: type[Event], *upcasters: Upcaster) -> Domain:
    return dataclasses.replace(domain, events=(event, *domain.events[1:]), upcasters=upcasters)


def test_a_breaking_change_of_an_event_says_how_to_make_it_well() -> None:
    [change] = changes(_replaced(DOMAIN, OrderPlacedAnew), document(DOMAIN))
    assert (change.kind, change.name, change.path) == ("event", "OrderPlaced", "$.gift")
    assert (change.breaks, change.breaking) == (("history",), True)
    assert "tag OrderPlaced.2 and declare an Upcaster from OrderPlaced" in change.remedy


def test_an_upcaster_covers_a_breaking_change() -> None:
    assert [c.breaking for c in changes(_replaced(DOMAIN, OrderPlacedSecond), document(DOMAIN))] == [True, False]
    upcast = _replaced(DOMAIN, OrderPlacedSecond, Upcaster("OrderPlaced", "OrderPlaced.2", lambda fields: fields))
    removed, added = changes(upcast, document(DOMAIN))
    assert (removed.name, removed.breaking, removed.covered) == ("OrderPlaced", False, "the upcaster to OrderPlaced.2")
    assert (added.name, added.what, added.breaking) == ("OrderPlaced.2", "event added", False)


def test_shapes_of_every_release_stay_covered() -> None:
    first, second, today = (document(FIRST), document(SECOND, document(FIRST)), TODAY)
    assert sorted(second.past_events) == ["Paid"]
    assert not any(c.breaking for c in changes(today, second))
    forgetful = dataclasses.replace(today, upcasters=tuple(u for u in today.upcasters if u.old != "Paid"))
    assert [c.name for c in changes(forgetful, second) if c.breaking] == ["Paid"]
    assert [c.name for c in changes(forgetful, first) if c.breaking] == ["Paid"]


def test_commands_break_clients_only() -> None:
    fewer = dataclasses.replace(DOMAIN, commands=DOMAIN.commands[:-1])
    [change] = changes(fewer, document(DOMAIN))
    assert (change.kind, change.what, change.breaks, change.breaking) == (
        "command",
        "command removed",
        ("clients",),
        True,
    )
    assert [c.breaking for c in changes(DOMAIN, document(fewer))] == [False]


class Wider(Order, frozen=True, kw_only=True):
    """An order with a field that its old rows do not have."""

    weight: int


def test_a_new_projection_covers_another_aggregate() -> None:
    other = dataclasses.replace(DOMAIN, aggregates=(Aggregate("orders", Wider), *DOMAIN.aggregates[1:]))
    [change] = changes(other, document(DOMAIN))
    assert (change.path, change.breaks, change.breaking) == ("$.weight", ("history",), True)
    [change] = changes(dataclasses.replace(other, projection=2), document(DOMAIN))
    assert (change.breaking, change.covered) == (False, "projection 2")


def test_a_domain_that_is_gone_breaks_everybody() -> None:
    assert missing(document(DOMAIN)).breaking


def test_a_released_document_is_read_as_it_was_written(tmp_path: Any) -> None:
    write(document(SECOND, document(FIRST)), tmp_path)
    assert released(tmp_path) == {"accounts": document(SECOND, document(FIRST))}
    (tmp_path / "accounts.json").write_text("{")
    with pytest.raises(Fatal, match="does not hold released schemas"):
        released(tmp_path)
