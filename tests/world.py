"""The rules of one domain at work in memory: given what was accepted before, when a command comes, then its events."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, TypeVar

import pytest

from producers.decider import Decider, Facts, On
from producers.store import Guard
from schemas import Command, Domain, Event, HeadraceError, Refused

T = TypeVar("T", bound=HeadraceError)


class World:
    """The streams of a domain, its claims and its counters, one command after the other; `now` is the clock."""

    def __init__(self, domain: Domain, decider: Decider, now: datetime) -> None:
        self.domain, self.decider, self.now = domain, decider, now
        self.states: dict[str, Any] = {}
        self.claims: set[str] = set()
        self.counters: dict[str, int] = {}
        self.happened: list[tuple[str, Event]] = []

    def given(self, *commands: Command) -> "World":
        """Commands that must all be accepted."""
        for command in commands:
            self.when(command)
        return self

    def when(self, command: Command) -> list[tuple[str, Event]]:
        """The events of a command with their streams, which have happened then. Raises what refuses it."""
        own, needs = self.domain.stream_of(command), self.decider.needs(command)
        facts = Facts(
            self.now,
            {stream: self.states.get(stream) for stream in needs.streams},
            {key: self.counters.get(key, 0) for key in needs.counters},
            frozenset(self.claims.intersection(needs.claims)),
        )
        decided = self.decider.decide(self.states.get(own), command, facts)
        guards = self.decider.guards(self.states.get(own), command, facts)
        for guard in guards:
            self._check(guard)
        for guard in guards:
            self._apply(guard)
        placed = [(each.stream, each.event) if isinstance(each, On) else (own, each) for each in decided]
        assert {stream for stream, _ in placed} <= {own, *needs.streams}
        for stream, event in placed:
            self.states[stream] = self.decider.evolve(self.states.get(stream), event)
        self.happened += placed
        return placed

    def events(self, command: Command) -> list[Event]:
        """The events of a command alone."""
        return [event for _, event in self.when(command)]

    def refuses(self, command: Command, kind: type[T]) -> T:
        """What refuses a command; nothing has changed then."""
        before: Mapping[str, Any] = dict(self.states)
        with pytest.raises(kind) as caught:
            self.when(command)
        assert self.states == before
        assert len(getattr(caught.value, "detail", "")) > 10
        return caught.value

    def _check(self, guard: Guard) -> None:
        free = guard.kind != "claim" or guard.key not in self.claims
        enough = guard.kind != "counter" or self.counters.get(guard.key, 0) + guard.amount >= guard.floor
        if not free or not enough:
            raise Refused(guard.detail, rule=guard.rule)

    def _apply(self, guard: Guard) -> None:
        match guard.kind:
            case "claim":
                self.claims.add(guard.key)
            case "release":
                self.claims.remove(guard.key)
            case "counter":
                self.counters[guard.key] = self.counters.get(guard.key, 0) + guard.amount
