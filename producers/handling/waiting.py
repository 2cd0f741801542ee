"""Submissions on their way to a commit, and those that are put aside while long streams are replayed."""

import asyncio
from collections.abc import Callable, Iterable, Sequence

from producers.handling.processing import Batch
from producers.handling.requests import Request
from producers.handling.rounds import Result


class Submission:
    """Requests that came together, the results they wait for, and until when they bear an unavailable store.

    `warmed` says that the streams that it was put aside for have been replayed.
    """

    __slots__ = ("deadline", "requests", "results", "size", "warmed")

    def __init__(self, requests: Sequence[Request], deadline: float, results: asyncio.Future[list[Result]]) -> None:
        self.requests = requests
        self.deadline = deadline
        self.results = results
        self.size = sum([request.size for request in requests])
        self.warmed = False

    def fail(self, error: Exception) -> None:
        """All of its requests have failed."""
        if not self.results.done():
            self.results.set_exception(error)


class Group:
    """Submissions that are stored in one commit; `batch` is there once they have been decided."""

    __slots__ = ("batch", "requests", "submissions")

    def __init__(self, submissions: list[Submission]) -> None:
        self.submissions = submissions
        self.requests = [request for part in submissions for request in part.requests]
        self.batch: Batch | None = None

    @property
    def warmed(self) -> bool:
        """Whether it has a submission whose streams were replayed for it: it is not put aside once more."""
        return any(part.warmed for part in self.submissions)


class Aside:
    """Submissions that wait for replays, in their order, with all that comes later and rests on the same streams."""

    def __init__(self, streams_of: Callable[[Request], Iterable[str]]) -> None:
        self._streams_of = streams_of
        self._parts: list[Submission] = []
        self._streams: set[str] = set()
        self.replays = 0  # under way

    def concerns(self, part: Submission) -> bool:
        """Whether the submission must wait behind those that are here."""
        return bool(self._parts) and not self._streams.isdisjoint(self._of(part))

    def add(self, part: Submission) -> None:
        """Let it wait."""
        self._parts.append(part)
        self._streams |= self._of(part)

    def sort(self, parts: Iterable[Submission], streams: Iterable[str]) -> list[Submission]:
        """Let those wait that rest on the streams, or on what those rest on; answers the others."""
        self._streams |= set(streams)
        others = []
        for part in parts:
            if self._streams.isdisjoint(self._of(part)):
                others.append(part)
            else:
                self.add(part)
        return others

    def release(self) -> list[Submission]:
        """All of them, in their order: they wait no more."""
        parts, self._parts, self._streams = self._parts, [], set()
        for part in parts:
            part.warmed = True
        return parts

    def _of(self, part: Submission) -> set[str]:
        return {stream for request in part.requests for stream in self._streams_of(request)}
