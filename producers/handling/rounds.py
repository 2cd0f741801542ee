"""The requests of one batch, what they rest on, and what one round of deciding made of them."""

from producers.decider import Needs
from producers.handling.requests import Receipt, Request
from producers.store import Write
from producers.store.hashing import SEPARATOR
from schemas import HeadraceError

Result = Receipt | HeadraceError


class Task:
    """A request of the batch with what it needs and the streams that it rests on, its own first."""

    __slots__ = ("needs", "number", "own", "request", "result", "streams")

    def __init__(self, number: int, request: Request, own: str, needs: Needs) -> None:
        self.number = number
        self.request = request
        self.own = own
        self.needs = needs
        self.result: Result | None = None
        further = (*needs.streams, *(request.expected_versions or ()))
        self.streams = list(dict.fromkeys((own, *further))) if further else [own]

    def rests_on(self, fallen: set[str]) -> bool:
        """Whether something that it read or looked up is among `fallen`: streams, and keys of guards."""
        return not fallen.isdisjoint([*self.streams, *map(guard_key, self.needs.counters + self.needs.claims)])


class Round:
    """What one round decided: writes with the tasks they are for, refusals that stand if the writes before them do,
    tasks put off to the next round, and the streams whose state must be loaded for that."""

    def __init__(self) -> None:
        self.writes: list[Write] = []
        self.owners: list[Task] = []
        self.refused: list[tuple[Task, HeadraceError]] = []
        self.later: list[Task] = []
        self.deferred: set[str] = set()


def guard_key(key: str) -> str:
    """The key of a guard, told from the names of streams."""
    return f"{SEPARATOR}{key}"
