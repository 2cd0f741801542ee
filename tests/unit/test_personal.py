"""Personal fields: which can be marked, and how their values are sealed."""

from typing import Annotated

import pytest
from msgspec import Struct

from producers import CommandHandler, MemoryEventStore
from producers.erasure.sealing import Key
from schemas import SEALED, Command, Fatal, json_schema, personal, personal_fields
from tests.members.club import DOMAIN, Join
from tests.members.club_rules import DECIDER

MASTER, OTHER = bytes(range(32)), bytes(32)


class _Address(Struct):
    street: Annotated[str, personal("id")]


class _Nested(Command, frozen=True, kw_only=True):
    id: str
    addresses: tuple[_Address, ...]


class _Number(Command, frozen=True, kw_only=True):
    id: str
    age: Annotated[int, personal("id")]


class _Nobody(Command, frozen=True, kw_only=True):
    name: Annotated[str, personal("id")]


def test_the_fields_that_are_personal_and_their_subjects_are_found() -> None:
    assert dict(personal_fields(Join)) == {"name": "member_id", "email": "member_id"}
    assert json_schema(Join)["properties"]["name"]["x-personal"] == "member_id"


@pytest.mark.parametrize(
    ("kind", "why"), [(_Nested, "own fields"), (_Number, "type str"), (_Nobody, "names a subject")]
)
def test_a_mark_that_cannot_be_kept_is_refused(kind: type[Command], why: str) -> None:
    with pytest.raises(ValueError, match=why):
        personal_fields(kind)


@pytest.mark.parametrize("text", ["", "Ada", "sixteen letters.", "größer \x00 \U0001f600" * 50])
def test_a_sealed_text_is_opened_by_its_key_and_by_no_other(text: str) -> None:
    key, other = Key.fresh(), Key.fresh()
    sealed = key.seal(text)
    assert SEALED.fullmatch(sealed)
    assert not text or text not in sealed
    assert Key.unwrapped(key.id, key.wrapped(MASTER), MASTER).open(sealed) == text
    with pytest.raises(ValueError, match="sealed"):
        other.open(sealed)
    with pytest.raises(ValueError, match="altered"):
        Key(key.id, other._secret).open(sealed)


def test_equal_texts_of_one_subject_are_sealed_alike_and_those_of_two_are_not() -> None:
    key, other = Key.fresh(), Key.fresh()
    assert key.seal("Ada") == key.seal("Ada") != key.seal("Eve")
    assert len(key.seal("Ada")) == len(key.seal("Evelyn"))
    assert key.seal("Ada").rsplit(":")[-1] != other.seal("Ada").rsplit(":")[-1]


def test_a_key_that_was_wrapped_with_another_master_key_says_so() -> None:
    key = Key.fresh()
    with pytest.raises(Fatal, match="HEADRACE_SUBJECT_KEY"):
        Key.unwrapped(key.id, key.wrapped(MASTER), OTHER)


def test_a_domain_with_personal_fields_is_not_handled_without_what_seals_them() -> None:
    with pytest.raises(ValueError, match="personal"):
        CommandHandler(DOMAIN, DECIDER, MemoryEventStore(DOMAIN))
