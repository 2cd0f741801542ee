"""Picks the builds that a query is answered from: once, where the query begins, so that it never sees two."""

from collections.abc import Callable
from typing import Generic, TypeVar

K = TypeVar("K")
T = TypeVar("T")


class Chosen(Generic[K, T]):
    """What answers from the builds that `now` says are live, made once for them. Call it once a query.

    Whoever keeps what a call has answered keeps to the builds that were live then.
    """

    def __init__(self, now: Callable[[], K], make: Callable[[K], T]) -> None:
        self._now, self._make = now, make
        self._made: tuple[K, T] | None = None

    def __call__(self) -> T:
        """That of the builds that are live now. Raises what `now` raises."""
        live, made = self._now(), self._made
        if made is None or made[0] != live:
            made = self._made = (live, self._make(live))
        return made[1]
