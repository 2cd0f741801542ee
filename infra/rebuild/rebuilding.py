"""A rebuild from its plan to the switch. Each step is recorded, so that one that was killed goes on where it was."""

import multiprocessing
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Any

from infra import topics
from infra.history import Recorded, recorded
from infra.letters import DeadLetters
from infra.positions import Hops
from infra.rebuild.code import fingerprint
from infra.rebuild.governor import Governor, Pacing
from infra.rebuild.writing import Writing, Written, handed_over
from infra.stack import Addresses
from producers.store.builds import Build, Builds
from schemas import Conflict, Domain, Edition, Invalid, NotFound, Unavailable, reach
from sinks.clickhouse import ClickHouse
from sinks.comparing import Comparison, Counted, Difference
from streams.replay import Progress, Replayed, Task, replay

HELD = "held keys"  # stands for the aggregate in differences of what is held


def in_edition(domain: Domain, edition: Edition) -> Domain:
    """The domain in one build of one of its projections. Raises NotFound when that projection is not declared."""
    for version in domain.projections:
        if version.projection == edition.projection:
            return version.in_build(edition.build)
    raise NotFound(f"projection {edition.projection} of {domain.name} is not declared any more", rule="no-projection")


@dataclass(frozen=True)
class Verdict:
    """What a verification found: differences, and what was compared up to which position."""

    position: int
    counted: Counted
    differences: Sequence[Difference]


class Rebuild:
    """The rebuild of one domain, which has its editions. `given_up` is asked about ten times a second. `archive` is the
    URL of the archive that has what the topic and the event store do not have any more.

    All methods block and raise Unavailable when a server does not answer or when given up.
    """

    def __init__(
        self,
        domain: Domain,
        at: Addresses,
        builds: Builds,
        *,
        given_up: Callable[[], bool] = lambda: False,
        crash_point: str = "",
        archive: str = "",
    ) -> None:
        self._domain, self._at, self._builds, self._given_up = domain, at, builds, given_up
        self._crash_point, self._archive = crash_point, archive
        self.live = domain.live

    @property
    def newest(self) -> Domain:
        """The domain in the newest projection that is declared, whose folds a rebuild runs."""
        return max(self._domain.projections, key=lambda version: version.projection)

    def running(self) -> Build | None:
        """The rebuild that has begun and was neither switched to nor cancelled."""
        found = [b for b in self._builds.all() if b.build and not b.actor and b.state in ("folding", "following")]
        return found[-1] if found else None

    def history(self) -> Recorded:
        """The history, as the folds of the newest projection read it."""
        return recorded(self.newest, self._at, self._archive)

    def begin(self, aggregate: str | None) -> Build:
        """The rebuild that runs, or a new one up to where the domain is now, once that has been published.

        Raises Conflict when the one that runs is of another aggregate or was folded by other code, Invalid when the
        domain has no events.
        """
        if (running := self.running()) is not None:
            if aggregate not in (None, running.aggregate):
                raise Conflict(
                    f"a rebuild of {running.aggregate or 'all aggregates'} of {self._domain.name} has begun: end it "
                    "first, or give it up with --cancel",
                    rule="rebuild-runs",
                )
            self._require_same_code(running)
            return running
        barrier = self.history().head()
        if not barrier:
            raise Invalid(f"{self._domain.name} has no events: there is nothing to rebuild", rule="no-events")
        with Hops(self._domain, self._at) as hops:
            _wait(lambda: hops.relayed() >= barrier, self._given_up, "the relay to publish what was accepted")
        edition = self._builds.plan(
            self.live.edition, self.newest.projection, barrier, aggregate, fingerprint(self.newest)
        )
        reach("rebuild.planned")
        return next(build for build in self._builds.all() if build.edition == edition)

    def _require_same_code(self, running: Build) -> None:
        if running.code not in ("", fingerprint(self.newest)):
            raise Conflict(
                f"the code that folds {self._domain.name} was changed since this rebuild began at "
                f"{running.began:%Y-%m-%d %H:%M:%S %Z}: its rows would be made by two versions of it. Go on with the "
                "code as it was, or give this rebuild up with --cancel and begin anew",
                rule="code-changed",
            )

    def fold(
        self, build: Build, budget: float, show: Callable[[Progress, Governor], None], processes: int = 0
    ) -> list[Written]:
        """Fold the partitions that are not handed over yet, and write them; then the build is followed.

        The folds pause while the live tables are more than `budget` seconds behind.
        """
        new = in_edition(self._domain, build.edition)
        topics.declare(self._at.kafka, [new])
        reach("rebuild.declared")
        missing = sorted(set(range(new.partitions)) - handed_over(self._at.kafka, new))
        written: list[Written] = []
        if missing:
            go: Any = multiprocessing.get_context("spawn").Event()
            task = self._task(build, go)

            def ended() -> bool:
                if self._given_up():
                    go.set()  # or the processes would wait for it
                    return True
                return False

            with Hops(self._domain, self._at) as hops, Governor(hops.positions, go, budget) as governor:
                written = replay(
                    task, missing, processes=processes, show=lambda done: show(done, governor), given_up=ended
                )
        reach("rebuild.folded")
        self._builds.move(build.edition, "following", "folding")
        reach("rebuild.following")
        return written

    def _task(self, build: Build, go: Any) -> "Task[Written]":
        history = self.history()
        finish: Callable[[Replayed], Written] = Writing(history.domain, build.build, self._at.kafka, self._crash_point)
        return Task(
            folder=history.folder,
            source=Pacing(history.source, go),
            mark=history.mark(build.barrier),
            finish=finish,
            skips=history.skips(),
        )

    def verify(
        self, build: Build, seconds: float, show: Callable[[int, int], None], say: Callable[[str], None]
    ) -> Verdict:
        """Compare the build with the live one, once it has caught up. Raises Unavailable when it does not get on."""
        new = in_edition(self._domain, build.edition)

        def up_to_now(found: int, goal: int) -> None:
            show(found, goal)
            if self._given_up():
                raise Unavailable("the verification was given up", rule="given-up")

        with closing(ClickHouse(self._at.clickhouse)) as clickhouse:
            comparison = Comparison(clickhouse, self.live, new, self.history().head, seconds)
            comparison.catch_up(up_to_now)
            reach("rebuild.caught-up")
            found = [*comparison.differences(say), *self._held(new, comparison)]
            position = comparison.complete()
        reach("rebuild.verified")
        return Verdict(position, comparison.counted, found)

    def _held(self, new: Domain, comparison: Comparison) -> list[Difference]:
        """Keys that one build holds and the other does not, both times that they were read."""
        first = self._holds(new)
        if not first:
            return []
        comparison.catch_up()
        again = self._holds(new)
        return [each for each in first if each in again]

    def _holds(self, new: Domain) -> list[Difference]:
        old_held, new_held = (
            {each.key: each.held.error for each in DeadLetters(self._at.kafka, build).held()}
            for build in (self.live, new)
        )
        differing = sorted(old_held.keys() ^ new_held.keys())
        return [Difference(HELD, key, "error", old_held.get(key), new_held.get(key)) for key in differing]

    def switch(self, build: Build, actor: str) -> None:
        """Let the build be queried from now on."""
        self._builds.switch(self.live.edition, build.edition, actor)
        reach("rebuild.switched")

    def former(self) -> Build:
        """The build that was queried before the last switch. Raises NotFound when there is none any more."""
        for build in self._builds.all():
            if build.former and build.state == "following":
                return build
        raise NotFound(
            f"no build of {self._domain.name} was kept that could be switched back to", rule="no-former-build"
        )

    def kept(self) -> list[Build]:
        """Builds that are neither live nor being made, nor the first one of a projection that is to come."""
        running, projection = self.running(), self.live.projection
        return [
            build
            for build in self._builds.all()
            if not build.live and build.state in ("following", "dropping") and build != running
            if build.actor or build.former or build.projection <= projection
        ]


def refuse(build: Build, found: Iterable[Difference]) -> None:
    """Raise Conflict when differences are in another aggregate than the one that was to be rebuilt."""
    others = sorted({each.aggregate for each in found if each.aggregate not in (build.aggregate, HELD)})
    if build.aggregate is not None and others:
        raise Conflict(
            f"only {build.aggregate} was to be rebuilt, but {', '.join(others)} would change too: look at the "
            "differences, and cancel this rebuild or begin one of all aggregates",
            rule="other-aggregates-differ",
        )


def _wait(done: Callable[[], bool], given_up: Callable[[], bool], what: str, seconds: float = 30.0) -> None:
    until = time.monotonic() + seconds
    while not done():
        if given_up():
            raise Unavailable("the rebuild was given up", rule="given-up")
        if time.monotonic() > until:
            raise Unavailable(f"waited {seconds:.0f} s for {what}: does it run? (`headrace status`)", retry_after=1)
        time.sleep(0.1)
