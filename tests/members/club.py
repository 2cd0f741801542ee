"""Members of a club: names and addresses are personal, visits are not."""

from typing import Annotated

from msgspec import Meta, Struct

from schemas import Aggregate, Command, Domain, Event, Id, Instant, Text, personal

Name = Annotated[str, Meta(min_length=1, max_length=80)]


class Join(Command, frozen=True, kw_only=True):
    """Become a member."""

    member_id: Id
    name: Annotated[Name, personal("member_id")]
    email: Annotated[str, personal("member_id")] | None = None


class Rename(Command, frozen=True, kw_only=True):
    """Go by another name; the one that one has changes nothing."""

    member_id: Id
    name: Annotated[Name, personal("member_id")]


class Visit(Command, frozen=True, kw_only=True):
    """Come by."""

    member_id: Id
    remark: Text = "none"


class Joined(Event, frozen=True, kw_only=True):
    """Somebody became a member."""

    member_id: str
    name: str
    email: str | None
    at: Instant


class Renamed(Event, frozen=True, kw_only=True):
    """A member goes by another name."""

    member_id: str
    name: str
    at: Instant


class Visited(Event, frozen=True, kw_only=True):
    """A member came by."""

    member_id: str
    remark: str
    at: Instant


class Member(Struct, frozen=True, kw_only=True):
    """A member."""

    member_id: str
    name: str
    email: str | None
    visits: int


DOMAIN = Domain(
    name="club",
    commands=(Join, Rename, Visit),
    events=(Joined, Renamed, Visited),
    aggregates=(Aggregate("members", Member),),
    stream_of=lambda command: command.member_id,
    event_time=lambda event: event.at,
)
