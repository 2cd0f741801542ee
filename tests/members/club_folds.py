"""Members as they are now."""

from typing import Any

from msgspec.structs import replace

from schemas import Envelope
from streams.fold import Fold, by_stream
from tests.members.club import Joined, Member, Renamed


def member(value: Member | None, event: Any, _envelope: Envelope[Any]) -> Member | None:
    if isinstance(event, Joined):
        return Member(member_id=event.member_id, name=event.name, email=event.email, visits=0)
    if value is None:
        return None
    if isinstance(event, Renamed):
        return replace(value, name=event.name)
    return replace(value, visits=value.visits + 1)


FOLDS = (Fold("members", key=by_stream, fold=member),)
