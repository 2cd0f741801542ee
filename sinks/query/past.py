"""Answers as of a position or an instant: what is asked for, and where the past is looked up."""

from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime
from typing import Any, Protocol, TypeVar

from msgspec import Struct

from schemas import Domain, HeadraceError, Invalid
from sinks.query.freshness import Freshness, wish_of

T = TypeVar("T")
_CONTRADICT = ("consistency", "token", "max_staleness")


class Moment(Struct, frozen=True):
    """A position of a domain, the instant of its event (None before the first), and the domain's last position."""

    position: int
    time: datetime | None
    head: int


class Seen(Struct, frozen=True):
    """A row as of a moment: its values by column, None when there was no row."""

    values: Mapping[str, Any] | None


class Past(Protocol):
    """Looks into a domain's past. All raise Unavailable when a server is away."""

    async def moment(self, domain: Domain, asked: str) -> Moment:
        """The moment of a position or an instant. Raises Invalid for one that is malformed, or not reached yet."""

    async def row(self, domain: Domain, aggregate: str, key: str, moment: Moment) -> Seen | None:
        """One row, from the events of its partition key alone. None when it takes a whole edition to tell."""

    async def edition(self, domain: Domain, moment: Moment, seconds: float) -> str:
        """The database that holds all read models as of the moment; made now when there is none.

        Raises Unavailable, saying how far that is, when it takes longer than so many seconds.
        """


class Asked(Struct, frozen=True):
    """What a caller wants to see of the past, and how many seconds it waits."""

    text: str
    seconds: float


async def told(past: Past, domain: Domain, moment: Moment, seconds: float, tell: Callable[[str], Awaitable[T]]) -> T:
    """What is told from the edition as of a moment, whose database `tell` gets. Where that was dropped on the way, in
    favour of other moments, it is told again from the next one. Raises as `Past.edition` and `tell`.
    """
    database = await past.edition(domain, moment, seconds)
    while True:
        try:
            return await tell(database)
        except HeadraceError:
            before, database = database, await past.edition(domain, moment, seconds)
            if database == before:
                raise


def asked_of_past(domain: Domain, asked: dict[str, str]) -> Asked | None:
    """What the parameter `as_of` asks for, which is taken out with `timeout`; None without it.

    Raises Invalid when it comes with a wish for freshness: what is read is exactly what it says.
    """
    if "as_of" not in asked:
        return None
    for name in _CONTRADICT:
        if name in asked:
            raise Invalid(
                f"{name} and as_of exclude each other: an answer as of a moment is neither newer nor older",
                rule="invalid-parameter",
                field=name,
            )
    return Asked(asked.pop("as_of"), wish_of(domain, asked).seconds)


def freshness_as_of(moment: Moment) -> Freshness:
    """What an answer says that holds exactly the events up to a moment."""
    complete = moment.position >= moment.head
    began = datetime(1970, 1, 1, tzinfo=UTC)
    return Freshness(moment.position, moment.head, complete, 0.0 if complete else None, moment.time or began)
